"""The captions of the Sync Flow before anyone changes them: key, English, French (API notes Appendix A).

Codat's docs give the keys and a few captions; the other captions and all French ones are ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

LOCALES = ("en-us", "fr-fr")


@dataclass(frozen=True, slots=True)
class Caption:
    """One text of the flow: `defaults` by locale; `required` marks a row that cannot be left unmapped."""

    defaults: Mapping[str, str]
    required: bool


_SALES_KEY = "configure-content-sales"
_FEES_KEY = "configure-content-fees"
_PAYMENTS_KEY = "configure-content-payments"

# prefix → {suffix: (English, French)}; a trailing * on the suffix marks a required row
_CAPTION_TEXTS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "configure-setupSidebar-": {
        "title": ("Set up", "Configuration"),
        "checkboxes-connectToCommerce": ("Connect to commerce", "Connexion au commerce"),
        "checkboxes-connectToAccounting": ("Connect to accounting", "Connexion à la comptabilité"),
        "checkboxes-sales": ("Sales", "Ventes"),
        "checkboxes-fees": ("Fees", "Frais"),
        "checkboxes-payments": ("Payments", "Paiements"),
    },
    "configure-setupSidebar=": {"checkboxes-syncSchedule": ("Sync schedule", "Calendrier")},
    "configure-misc-": {
        "previousButton": ("Previous", "Précédent"),
        "nextButton": ("Next", "Suivant"),
    },
    "configure-required-": {"indicator": ("*", "*")},
    f"{_SALES_KEY}-": {
        "title": ("Sales", "Ventes"),
        "description": ("", ""),
        "accounts-title": ("Accounts", "Comptes"),
        "accounts-description": ("", ""),
        "taxRates-title": ("Tax rates", "Taux de taxe"),
        "taxRates-description": ("", ""),
        "other-title": ("Other", "Autre"),
        "other-description": ("", ""),
        "other-entries-invoiceStatus*": ("Invoice status", "Statut de la facture"),
        "other-entries-groupingPeriod*": ("Grouping period", "Période de regroupement"),
    },
    f"{_SALES_KEY}-accounts-entries-": {
        "sales*": ("Sales", "Ventes"),
        "refund*": ("Refunds", "Remboursements"),
        "gratuity": ("Gratuity", "Pourboires"),
        "prepaid": ("Prepaid", "Prépayé"),
        "sales-other": ("Other sales", "Autres ventes"),
    },
    # The suffixes do not match the rates: -10 is captioned 5 % and -15 is captioned 10 %.
    f"{_SALES_KEY}-accounts-taxRates-entries-": {
        "0*": ("0%", "0 %"),
        "10*": ("5%", "5 %"),
        "15*": ("10%", "10 %"),
        "20*": ("20%", "20 %"),
    },
    f"{_FEES_KEY}-": {
        "title": ("Fees", "Frais"),
        "description": ("", ""),
        "accounts-title": ("Accounts", "Comptes"),
        "accounts-description": ("", ""),
    },
    f"{_FEES_KEY}-accounts-entries-": {
        "paymentFee": ("Payment fee", "Frais de paiement"),
        "paymentFeeRefund": ("Payment fee refund", "Remboursement de frais"),
        "loan": ("Loan", "Prêt"),
        "loanPayment": ("Loan payment", "Remboursement de prêt"),
        "loanFee": ("Loan fee", "Frais de prêt"),
        "cashback": ("Cashback", "Remise"),
    },
    f"{_PAYMENTS_KEY}-": {"title": ("Payments", "Paiements"), "description": ("", "")},
    f"{_PAYMENTS_KEY}-accounts-entries-": {
        "card*": ("Card", "Carte"),
        "cash": ("Cash", "Espèces"),
        "invoice": ("Invoice", "Facture"),
        "onlineCard": ("Online card", "Carte en ligne"),
        "payout": ("Payout", "Versement"),
        "custom": ("Custom", "Personnalisé"),
        "storeCredit": ("Store credit", "Avoir"),
        "paypal": ("PayPal", "PayPal"),
        "paypalQr": ("PayPal QR", "PayPal QR"),
        "mobile": ("Mobile", "Mobile"),
        "vipps": ("Vipps", "Vipps"),
        "swish": ("Swish", "Swish"),
        "prepaidPayment": ("Prepaid payment", "Paiement prépayé"),
        "manual": ("Manual", "Manuel"),
    },
}


def _default_captions() -> Iterator[tuple[str, Caption]]:
    for prefix, texts in _CAPTION_TEXTS.items():
        for suffix, words in texts.items():
            defaults = dict(zip(LOCALES, words, strict=True))
            yield prefix + suffix.rstrip("*"), Caption(defaults, suffix.endswith("*"))


CAPTIONS: Mapping[str, Caption] = dict(_default_captions())
