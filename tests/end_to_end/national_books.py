"""Books of fourteen countries, written for these tests after the published charts of each.

A line is an account: kind (Income, Liability, Expense, Asset, Bank), code or `-`, name, and `=` with the rows of the
mapping that it is selected for. Names are as awkward as real ones: twins, capitals, other scripts, sub-accounts,
accents in both Unicode forms, codes with leading zeros, words that YAML would take for something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CHARTS = {
    "gb": """
I 200 Sales =sales
I 205 Sales Returns =refund
I 210 Delivery Income
I 260 Other Revenue
I 270 Interest Income
E 310 Cost of Goods Sold
E 400 Advertising & Marketing
E 404 Bank Fees =paymentFee
E 405 BANK FEES
E 408 Cleaning
E 424 Entertainment - 0%
E 425 Postage, Freight & Courier
E 429 General Expenses
E 445 Light, Power, Heating
E 477 Salaries
E 478 Directors' Remuneration
A 611 Till Cash =cash
A 612 Card Clearing =card
A 613 Gift Card Redemptions =prepaidPayment
L 810 Gift Vouchers Outstanding =prepaid
L 815 Tips Payable =gratuity
L 820 VAT
L 825 PAYE Payable
L 850 Suspense
B 090 Business Bank Account =payout
B 091 Business Savings Account""",
    "ie": """
I 4000 Sales Type A =sales
I 4001 Sales Type B
I 4009 Discounts Allowed =refund
I 4900 Miscellaneous Income
E 5000 Materials Purchased
E 5003 Packaging
E 6201 Advertising
E 7100 Rent
E 7501 Postage and Carriage
E 7901 Bank Charges =paymentFee
E 7903 Loan Interest Paid
E 8200 Donations
L 2109 Accruals
L 2200 Sales VAT
L 2210 P.A.Y.E./P.R.S.I.
L 2230 Staff Tips (Payment of Wages Act) =gratuity
L 2240 Gift Vouchers "One4all" =prepaid
A 1100 Debtors Control
A 1240 Card Terminal: Clearing =card
A 1250 Vouchers Redeemed =prepaidPayment
A 1230 Petty Cash =cash
B 1200 Bank Current Account =payout
B 1210 Bank Deposit Account""",
    "de": """
I 8400 Erlöse 19 % USt =sales
I 8300 Erlöse 7 % USt
I 8120 Steuerfreie Umsätze § 4 Nr. 1a UStG
I 8720 Erlösschmälerungen 19 % USt =refund
I 8735 Gewährte Skonti 19 % USt
E 3300 Wareneingang 7 % Vorsteuer
E 3400 Wareneingang 19 % Vorsteuer
E 4120 Gehälter
E 4210 Miete
E 4650 Bewirtungskosten
E 4930 Bürobedarf
E 4970 Nebenkosten des Geldverkehrs =paymentFee
E 4971 Nebenkosten des Geldverkehrs
A 0420 Büroeinrichtung
A 0650 Büromaschinen
A 1361 Geldtransit Kartenzahlungen =card
A 1362 Eingelöste Gutscheine =prepaidPayment
A 1000 Kasse =cash
A 1576 Abziehbare Vorsteuer 19 %
L 1600 Verbindlichkeiten aus Lieferungen und Leistungen
L 1755 Trinkgelder für Arbeitnehmer =gratuity
L 1795 Verbindlichkeiten aus Gutscheinen =prepaid
L 1776 Umsatzsteuer 19 %
B 1200 Bank =payout
B 1210 Bank""",
    "fr": """
I 707 Ventes de marchandises =sales
I 7071 Ventes de marchandises à emporter
I 7072 Ventes de marchandises sur place
I 7097 RRR accordés sur ventes de marchandises =refund
I 7085 Ports et frais accessoires facturés
I 758 Produits divers de gestion courante
E 607 Achats de marchandises
E 6061 Fournitures non stockables (eau, énergie)
E 6063 Fournitures d'entretien et de petit équipement
E 616 Primes d'assurances
E 627 Services bancaires et assimilés
E 6278 Commissions sur cartes bancaires =paymentFee
E 641 Rémunérations du personnel
L 4191 Clients, avances et acomptes reçus =prepaid
L 4198 Rabais, remises, ristournes à accorder
L 421 Personnel, rémunérations dues
L 427 Pourboires à reverser =gratuity
L 44571 TVA collectée
A 411 Clients
A 511 Valeurs à l'encaissement =card
A 5115 Chèques-cadeaux à encaisser =prepaidPayment
A 53 Caisse =cash
A 580 Virements internes
B 512 Banques =payout
B 5121 Comptes en euros""",
    "nl": """
I WOmzNohOlh Netto-omzet handelsgoederen hoog tarief =sales
I WOmzNohOll Netto-omzet handelsgoederen laag tarief
I WOmzKeb Kortingen, bonussen en provisies =refund
I WOvbOvo Overige opbrengsten
E WKprInhInh Inkoopwaarde handelsgoederen
E WPerLesLon Lonen en salarissen
E WBedHuiBeh Huur bedrijfsruimten
E WBedVkkRep Reclame- en advertentiekosten
E WBedAlkBan Bankkosten =paymentFee
E WBedAlkOal Overige algemene kosten
L BSchTotVor Vooruitontvangen cadeaubonnen =prepaid
L BSchOpaNto Fooien personeel =gratuity
L BSchBepBtw Te betalen omzetbelasting
L BSchCreHac Handelscrediteuren
A BVorDebHad Handelsdebiteuren
A BLimKruPin Kruisposten pin =card
A BLimKruCad Kruisposten cadeaubonnen =prepaidPayment
A BLimKasKas Kas =cash
A BVrdHan Voorraad handelsgoederen
B BLimBanRba Rekening-courant bank =payout
B BLimBanDep Deposito's""",
    "us": """
I - Sales of Product Income =sales
I - Sales of Product Income:Dine In
I - Sales of Product Income:Takeout
I - Sales of Product Income:Catering
I - Services
I - Discounts & Refunds Given =refund
I - Billable Expense Income
E - Bank Charges
E - Bank Charges:Card Processing Fees =paymentFee
E - Bank Charges:Wire Transfers
E - Insurance
E - Insurance:Workers Compensation
E - Meals & Entertainment
E - Payroll Expenses
E - Payroll Expenses:Wages
E - Utilities:Water & Sewer
L - Gift Cards Outstanding =prepaid
L - Tips Payable =gratuity
L - TIPS PAYABLE
L - Sales Tax Agency Payable
L - Loan Payable
A - Accounts Receivable (A/R)
A - Inventory Asset
B - Undeposited Funds =card
B - Cash on Hand =cash
B - Gift Card Clearing =prepaidPayment
B - Checking =payout
B - Savings""",
    "ca": """
I - Sales =sales
I - Sales - Ventes au Québec
I - Refunds–Remboursements =refund
I - Interest Earned
E - Frais bancaires / Bank charges =paymentFee
E - Loyer / Rent
E - Déplacements
E - Purchases
E - Subcontractors
L - GST/HST Payable
L - QST / TVQ à payer
L - Pourboires à payer (Tips) =gratuity
L - Cartes-cadeaux =prepaid
L - Payroll Liabilities
A - Prepaid Expenses
A - Inventory
B - Encaissements Interac =card
B - Petite caisse / Petty cash
B - Cartes-cadeaux e\u0301change\u0301es =prepaidPayment
B - Chequing =payout
B - No =cash
B - USD Chequing""",
    "au": """
I 41110 Food Sales =sales
I 41120 Beverage Sales
I 41900 Sales Discounts & Refunds =refund
I 49000 Freight Collected
E 51110 Food Purchases
E 61510 Merchant Fees =paymentFee
E 61520 Merchant Fees - AMEX
E 62300 Rent
E 64100 Wages & Salaries
E 64200 Superannuation
L 21210 GST Collected
L 21220 GST Paid
L 21410 PAYG Withholding Payable
L 21500 Tips - Owing to Staff =gratuity
L 21600 Gift Vouchers Unredeemed =prepaid
A 11180 Undeposited Funds
A 11190 EFTPOS Clearing =card
A 11195 Voucher Clearing =prepaidPayment
A 11140 Till Float =cash
B 11110 Cheque Account =payout
B 11120 Payroll Cheque Account""",
    "nz": """
I 200 Sales =sales
I 201 Sales - Kai
I 206 Refunds =refund
I 260 Other Revenue
E 300 Purchases
E 404 Bank Fees =paymentFee
E 412 Consulting & Accounting
E 416 Depreciation
E 441 Legal expenses
E 469 Rent
E 477 Wages and Salaries
E 478 KiwiSaver Employer Contributions
L 800 Accounts Payable
L 820 GST
L 825 PAYE Payable
L 826 Koha mā ngā kaimahi (Tips) =gratuity
L 835 Gift Cards =prepaid
A 610 Accounts Receivable
A 615 EFTPOS =card
A 616 Gift Card Redemptions =prepaidPayment
A 617 Till =cash
B 1-1110 Business Cheque =payout
B 1-1120 Business Savings""",
    "es": """
I 700 Ventas de mercaderías =sales
I 705 Prestaciones de servicios
I 708 Devoluciones de ventas y operaciones similares =refund
I 709 Rappels sobre ventas
I 759 Ingresos por servicios diversos
E 600 Compras de mercaderías
E 621 Arrendamientos y cánones
E 625 Primas de seguros
E 626 Servicios bancarios y similares =paymentFee
E 627 Publicidad, propaganda y relaciones públicas
E 640 Sueldos y salarios
L 400 Proveedores
L 438 Anticipos de clientes =prepaid
L 4381 Anticipos de clientes
L 465 Remuneraciones pendientes de pago
L 4659 Propinas del personal =gratuity
L 477 Hacienda Pública, IVA repercutido
A 430 Clientes
A 431 Clientes, efectos comerciales a cobrar
A 555 Partidas pendientes de aplicación =card
A 5551 Vales canjeados =prepaidPayment
A 570 Caja, euros =cash
B 572 Bancos c/c vista, euros =payout
B 573 Bancos c/c vista, moneda extranjera""",
    "it": """
I 58.05.05 MERCI C/VENDITE =sales
I 58.05.10 PRODOTTI C/VENDITE
I 58.10.05 RESI SU VENDITE =refund
I 58.10.10 RIBASSI E ABBUONI PASSIVI
E 66.05.05 MERCI C/ACQUISTI
E 68.05.25 ENERGIA ELETTRICA
E 68.05.40 SPESE TELEFONICHE
E 68.07.05 COMMISSIONI BANCARIE =paymentFee
E 68.07.06 COMMISSIONI BANCARIE (POS)
E 70.05.05 FITTI PASSIVI
E 72.05.05 SALARI E STIPENDI
L 40.05.05 FORNITORI
L 40.10.05 ANTICIPI DA CLIENTI =prepaid
L 48.05.05 IVA C/VENDITE
L 52.05.05 MANCE DA VERSARE =gratuity
A 14.05.05 CLIENTI
A 24.05.10 CREDITI V/CIRCUITI CARTE =card
A 24.05.15 BUONI REGALO RISCOSSI =prepaidPayment
A 24.15.05 CASSA CONTANTI =cash
B 24.05.01 BANCA C/C =payout
B 24.05.02 BANCA C/C""",
    "pl": """
I 701-01 Przychody ze sprzedaży produktów =sales
I 701-02 Przychody ze sprzedaży usług
I 701-09 Zwroty i rabaty =refund
I 760 Pozostałe przychody operacyjne
E 401 Zużycie materiałów i energii
E 402-01 Usługi obce – czynsz
E 402-05 Prowizje bankowe =paymentFee
E 404 Wynagrodzenia
E 731 Wartość sprzedanych towarów
L 201 Rozrachunki z odbiorcami
L 221-1 VAT należny
L 231 Rozrachunki z tytułu wynagrodzeń
L 234 Napiwki pracowników =gratuity
L 845 Bony podarunkowe =prepaid
A 139 Środki pieniężne w drodze – karty =card
A 140 Bony zrealizowane =prepaidPayment
A 100 Kasa =cash
A 330 Towary
B 130 Rachunek bieżący =payout
B 131 Rachunek VAT""",
    "jp": """
I 500 売上高 =sales
I 501 売上値引・返品 =refund
I 502 店頭売上高
I 503 オンライン売上高
I 810 雑収入
E 600 仕入高
E 705 給料手当
E 720 広告宣伝費
E 745 水道光熱費
E 755 支払手数料 =paymentFee
E 756 支払手数料
E 790 雑費
L 305 買掛金
L 325 預り金 =gratuity
L 330 仮受消費税
L 335 前受金
L 336 ギフトカード前受金 =prepaid
A 135 売掛金
A 136 クレジット売掛金 =card
A 137 商品券 =prepaidPayment
A 100 現金 =cash
A 110 小口現金
B 131 普通預金 =payout
B 132 当座預金""",
    "gr": """
I 70.00 Πωλήσεις εμπορευμάτων =sales
I 70.01 ΠΩΛΗΣΕΙΣ ΕΜΠΟΡΕΥΜΑΤΩΝ
I 70.95 Επιστροφές πωλήσεων =refund
I 73.00 Παροχή υπηρεσιών
E 20.00 Αγορές εμπορευμάτων
E 60.00 Αμοιβές προσωπικού
E 62.04 Ενοίκια
E 65.98 Προμήθειες τραπεζών =paymentFee
E 64.07 Έντυπα και γραφική ύλη
L 30.05 Προκαταβολές πελατών =prepaid
L 53.00 Αποδοχές προσωπικού πληρωτέες
L 53.09 Φιλοδωρήματα =gratuity
L 54.00 Φόρος προστιθέμενης αξίας
A 30.00 Πελάτες
A 33.13 Πιστωτικές κάρτες =card
A 33.14 Δωροκάρτες =prepaidPayment
A 38.00 Ταμείο =cash
B 38.03 Καταθέσεις όψεως =payout
B 38.04 Καταθέσεις προθεσμίας""",
}
PLATFORMS = {"us": "qhyg", "ca": "qhyg"}
"""Xero's key is the rest's. On QuickBooks Online accounts have no codes."""

SECTIONS = {
    **dict.fromkeys(("sales", "refund", "gratuity", "prepaid"), "sales"),
    **dict.fromkeys(("card", "cash", "prepaidPayment", "payout"), "payments"),
    "paymentFee": "fees",
}
"""By row of the mapping its section."""

_KINDS: dict[str, dict[str, Any]] = {
    "I": {"type": "Income", "fullyQualifiedCategory": "Income.Revenue"},
    "L": {"type": "Liability", "fullyQualifiedCategory": "Liability.Current"},
    "E": {"type": "Expense", "fullyQualifiedCategory": "Expense.Expense"},
    "A": {"type": "Asset", "fullyQualifiedCategory": "Asset.Current"},
    "B": {"type": "Asset", "fullyQualifiedCategory": "Asset.Bank", "isBankAccount": True},
}


@dataclass(frozen=True, slots=True)
class NationalAccount:
    """One account, as the books of a merchant take it. `row` is the row of the mapping that it is selected for."""

    row: str | None
    fields: dict[str, Any]

    @property
    def is_other_income(self) -> bool:
        """Whether takings may go there that go elsewhere."""
        return self.row is None and self.fields["type"] == "Income"


def accounts_of(country: str) -> list[NationalAccount]:
    found = []
    for line in CHARTS[country].strip().splitlines():
        told, _, row = line.partition(" =")
        kind, code, name = told.split(" ", 2)
        fields = {**_KINDS[kind], "name": name, "nominalCode": None if code == "-" else code}
        found.append(NationalAccount(row or None, fields))
    return found
