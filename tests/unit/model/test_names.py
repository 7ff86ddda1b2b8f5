"""Company names as the service stores them."""

from __future__ import annotations

import pytest

from controller.model.names import strip_name


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("Acme Foods (Branch[2])", "Acme Foods Branch2"),
        ("merchant_123", "merchant123"),
        ("Café Zoë", "Caf Zo"),
        ("A-b 'c' & d@e.f, g? h!", "A-b 'c' & d@e.f, g? h!"),
        (" two  spaces ", " two  spaces "),
        ("___", ""),
    ],
)
def test_a_name_loses_what_the_service_silently_removes(name: str, stored: str) -> None:
    assert strip_name(name) == stored
