"""Signatures of the newer generation."""

from datetime import UTC, datetime, timedelta

from controller.web.context import parse_webhook_secrets
from controller.web.webhook_auth import NotProven, find_proof
from state import AUTHORIZATION_KEY_ID, DeliveryProof

SECRET = "whsec_ZW11bGF0b3Itc2lnbmluZy1rZXktMDAx"
SENT = datetime.fromtimestamp(1_700_000_000, UTC)
BODY = b'{"id":"e1","eventType":"connection.deleted"}'
HEADERS = {
    "webhook-id": "msg_0001",
    "webhook-timestamp": "1700000000",
    "webhook-signature": "v1,pxjTvRVQ3xvsDYebo66ND9EUniXOdicy63D9jk3uvak=",
}


def test_the_test_vector_of_the_reference_is_proven() -> None:
    for secret in (SECRET, SECRET.removeprefix("whsec_")):
        assert isinstance(find_proof(parse_webhook_secrets(secret, None), HEADERS, BODY, [SENT]), DeliveryProof)


def test_the_test_vector_with_another_byte_is_not() -> None:
    other = BODY.replace(b"e1", b"e2")
    assert find_proof(parse_webhook_secrets(SECRET, None), HEADERS, other, [SENT]) is NotProven.UNSIGNED


def test_a_signature_is_good_for_five_minutes_either_way() -> None:
    secrets = parse_webhook_secrets(SECRET, None)
    for minutes, good in ((-6, False), (-5, True), (5, True), (6, False)):
        found = find_proof(secrets, HEADERS, BODY, [SENT + timedelta(minutes=minutes)])
        assert isinstance(found, DeliveryProof) if good else found is NotProven.STALE


def test_where_two_clocks_differ_it_is_enough_that_it_is_fresh_by_one() -> None:
    """What is known of Codat's clock is of its last answer, and wrong after ours was put right, until the next."""
    secrets, hour = parse_webhook_secrets(SECRET, None), timedelta(hours=1)
    for clocks in ([SENT, SENT + hour], [SENT - hour, SENT]):
        assert isinstance(find_proof(secrets, HEADERS, BODY, clocks), DeliveryProof)
    assert find_proof(secrets, HEADERS, BODY, [SENT - hour, SENT + hour]) is NotProven.STALE


def test_of_a_delivery_with_both_proofs_the_signature_counts_while_it_is_fresh() -> None:
    secrets, headers = parse_webhook_secrets(SECRET, "Bearer agreed"), {**HEADERS, "authorization": "Bearer agreed"}
    fresh, stale = (find_proof(secrets, headers, BODY, [SENT + timedelta(minutes=minutes)]) for minutes in (0, 6))
    assert isinstance(fresh, DeliveryProof)
    assert isinstance(stale, DeliveryProof)
    assert fresh.key_id != stale.key_id == AUTHORIZATION_KEY_ID


def test_without_any_secret_nothing_is_proven() -> None:
    without = find_proof(parse_webhook_secrets(None, None), {"authorization": ""}, BODY, [SENT])
    assert without is find_proof(parse_webhook_secrets("", "\n"), HEADERS, BODY, [SENT]) is NotProven.UNSIGNED


def test_the_place_of_a_key_is_told_unless_it_is_in_two_and_the_key_never_is() -> None:
    named = parse_webhook_secrets(None, None).with_declared_signing_secrets(
        {"env FIRST": SECRET, "file /x": "whsec_b3RoZXI="}
    )
    proof = find_proof(named, HEADERS, BODY, [SENT])
    assert isinstance(proof, DeliveryProof)
    assert (proof.source, len(proof.key_id)) == ("env FIRST", 16)
    twice = parse_webhook_secrets(None, None).with_declared_signing_secrets({"env FIRST": SECRET, "file /x": SECRET})
    assert find_proof(twice, HEADERS, BODY, [SENT]) == DeliveryProof("", proof.key_id)
    assert "FIRST" not in repr(named)


def test_a_malformed_secret_that_a_manifest_names_stops_no_other() -> None:
    secrets = parse_webhook_secrets(SECRET, None).with_declared_signing_secrets({"env FIRST": "whsec_%"})
    assert isinstance(find_proof(secrets, HEADERS, BODY, [SENT]), DeliveryProof)
