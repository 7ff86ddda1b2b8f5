"""Charts of accounts as merchants keep them: one (code, name) a line, written for these tests after the habits of each
country. Names repeat words, begin alike and hang below one another, as real ones do."""

from __future__ import annotations

from controller.model.field_values import Option

_UK = """
090 Business Bank Account
091 Business Savings Account
200 Sales
205 Sales Returns
210 Delivery Income
260 Other Revenue
270 Interest Income
310 Cost of Goods Sold
320 Direct Wages
400 Advertising & Marketing
401 Audit & Accountancy Fees
404 Bank Fees
405 Merchant Card Fees
408 Cleaning
412 Consulting
416 Depreciation Expense
420 Entertainment - 100% business
424 Entertainment - 0%
425 Postage, Freight & Courier
429 General Expenses
433 Insurance
437 Interest Paid
441 Legal Expenses
445 Light, Power, Heating
449 Motor Vehicle Expenses
457 Operating Lease Payments
461 Printing & Stationery
463 IT Software and Consumables
465 Rates
469 Rent
473 Repairs & Maintenance
477 Salaries
478 Directors' Remuneration
479 Employers National Insurance
480 Staff Training
485 Subscriptions
489 Telephone & Internet
493 Travel - National
494 Travel - International
610 Accounts Receivable
611 Till Cash Clearing
620 Prepayments
630 Inventory
710 Office Equipment
740 Buildings
800 Accounts Payable
805 Accruals
810 Gift Vouchers Outstanding
815 Tips Payable
820 VAT
825 PAYE Payable
850 Suspense
877 Tracking Transfers
900 Loan
"""

_FRANCE = """
411 Clients
4191 Clients, avances et acomptes reçus
401 Fournisseurs
44551 TVA à décaisser
44566 TVA déductible sur autres biens et services
44571 TVA collectée
467 Autres comptes débiteurs ou créditeurs
511 Valeurs à l'encaissement
512 Banques
53 Caisse
580 Virements internes
601 Achats de matières premières
6061 Fournitures non stockables (eau, énergie)
6063 Fournitures d'entretien et de petit équipement
607 Achats de marchandises
613 Locations
615 Entretien et réparations
616 Primes d'assurances
622 Rémunérations d'intermédiaires et honoraires
623 Publicité, publications, relations publiques
625 Déplacements, missions et réceptions
626 Frais postaux et télécommunications
627 Services bancaires et assimilés
6278 Commissions sur cartes bancaires
641 Rémunérations du personnel
645 Charges de sécurité sociale
658 Charges diverses de gestion courante
701 Ventes de produits finis
706 Prestations de services
707 Ventes de marchandises
7071 Ventes de marchandises à emporter
7072 Ventes de marchandises sur place
708 Produits des activités annexes
7085 Ports et frais accessoires facturés
709 Rabais, remises et ristournes accordés
7097 RRR accordés sur ventes de marchandises
758 Produits divers de gestion courante
"""

_GERMANY = """
0420 Büroeinrichtung
0650 Büromaschinen
1000 Kasse
1200 Bank
1360 Geldtransit
1361 Geldtransit Kartenzahlungen
1400 Forderungen aus Lieferungen und Leistungen
1576 Abziehbare Vorsteuer 19 %
1571 Abziehbare Vorsteuer 7 %
1600 Verbindlichkeiten aus Lieferungen und Leistungen
1755 Lohn- und Gehaltsverrechnung
1771 Umsatzsteuer 7 %
1776 Umsatzsteuer 19 %
1780 Umsatzsteuer-Vorauszahlungen
1795 Verbindlichkeiten aus Gutscheinen
2100 Zinsen und ähnliche Aufwendungen
3120 Bauleistungen § 13b UStG
3300 Wareneingang 7 % Vorsteuer
3400 Wareneingang 19 % Vorsteuer
4120 Gehälter
4130 Gesetzliche soziale Aufwendungen
4210 Miete
4240 Gas, Strom, Wasser
4360 Versicherungen
4500 Fahrzeugkosten
4610 Werbekosten
4650 Bewirtungskosten
4660 Reisekosten Arbeitnehmer
4910 Porto
4920 Telefon
4930 Bürobedarf
4950 Rechts- und Beratungskosten
4970 Nebenkosten des Geldverkehrs
4971 Kreditkartengebühren
8120 Steuerfreie Umsätze § 4 Nr. 1a UStG
8300 Erlöse 7 % USt
8400 Erlöse 19 % USt
8720 Erlösschmälerungen 19 % USt
8735 Gewährte Skonti 19 % USt
8820 Erlöse aus Anlagenverkäufen
"""

_UNITED_STATES = """
- Checking
- Savings
- Undeposited Funds
- Accounts Receivable (A/R)
- Inventory Asset
- Accounts Payable (A/P)
- Sales Tax Payable
- Gift Cards Outstanding
- Tips Payable
- Loan Payable
- Sales of Product Income
- Sales of Product Income:Dine In
- Sales of Product Income:Takeout
- Sales of Product Income:Catering
- Sales of Product Income:Retail
- Sales of Product Income:Delivery
- Services
- Discounts Given
- Refunds and Allowances
- Cost of Goods Sold
- Cost of Goods Sold:Food Purchases
- Cost of Goods Sold:Beverage Purchases
- Cost of Goods Sold:Packaging
- Advertising
- Bank Charges
- Bank Charges:Card Processing Fees
- Bank Charges:Wire Transfers
- Insurance
- Insurance:Workers Compensation
- Insurance:General Liability
- Job Supplies
- Job Supplies:Kitchen
- Meals and Entertainment
- Office Expenses
- Office Expenses:Stationery
- Payroll Expenses
- Payroll Expenses:Wages
- Payroll Expenses:Taxes
- Rent or Lease
- Repairs and Maintenance
- Utilities
- Utilities:Electric
- Utilities:Water and Sewer
- Utilities:Internet
- Vehicle Expenses:Fuel
- Travel
- Travel Meals
- Vehicle Expenses
- Opening Balance Equity
- Retained Earnings
"""

_JAPAN = """
100 現金
110 小口現金
131 普通預金
135 売掛金
136 クレジット売掛金
140 商品
145 前払費用
185 仮払消費税
305 買掛金
310 未払金
325 預り金
330 仮受消費税
335 前受金
336 ギフトカード前受金
500 売上高
501 売上値引・返品
502 店頭売上高
503 オンライン売上高
600 仕入高
611 期首商品棚卸高
700 役員報酬
705 給料手当
710 法定福利費
715 福利厚生費
720 広告宣伝費
725 荷造運賃
730 旅費交通費
735 通信費
740 消耗品費
745 水道光熱費
750 地代家賃
755 支払手数料
756 カード決済手数料
760 保険料
770 租税公課
780 減価償却費
790 雑費
800 受取利息
810 雑収入
"""

_SPAIN = """
300 Mercaderías
400 Proveedores
410 Acreedores por prestaciones de servicios
430 Clientes
431 Clientes, efectos comerciales a cobrar
438 Anticipos de clientes
465 Remuneraciones pendientes de pago
472 Hacienda Pública, IVA soportado
475 Hacienda Pública, acreedora por conceptos fiscales
477 Hacienda Pública, IVA repercutido
555 Partidas pendientes de aplicación
570 Caja, euros
572 Bancos e instituciones de crédito c/c vista, euros
600 Compras de mercaderías
621 Arrendamientos y cánones
622 Reparaciones y conservación
623 Servicios de profesionales independientes
624 Transportes
625 Primas de seguros
626 Servicios bancarios y similares
627 Publicidad, propaganda y relaciones públicas
628 Suministros
640 Sueldos y salarios
642 Seguridad Social a cargo de la empresa
669 Otros gastos financieros
700 Ventas de mercaderías
705 Prestaciones de servicios
708 Devoluciones de ventas y operaciones similares
709 Rappels sobre ventas
759 Ingresos por servicios diversos
"""

_SWEDEN = """
1510 Kundfordringar
1580 Fordringar för kontokort och kuponger
1910 Kassa
1930 Företagskonto
1686 Fordran Swish
2420 Förskott från kunder
2421 Ej inlösta presentkort
2440 Leverantörsskulder
2610 Utgående moms, 25 %
2620 Utgående moms, 12 %
2630 Utgående moms, 6 %
2640 Ingående moms
2710 Personalens källskatt
3000 Försäljning inom Sverige
3001 Försäljning inom Sverige, 25 % moms
3002 Försäljning inom Sverige, 12 % moms
3004 Försäljning inom Sverige, momsfri
3520 Fakturerade frakter
3730 Lämnade rabatter
3740 Öres- och kronutjämning
4000 Inköp av handelsvaror
5010 Lokalhyra
5410 Förbrukningsinventarier
5910 Annonsering
6040 Kontokortsavgifter
6110 Kontorsmateriel
6212 Mobiltelefon
6570 Bankkostnader
7210 Löner till tjänstemän
7510 Lagstadgade sociala avgifter
"""


def _chart(text: str) -> tuple[Option, ...]:
    lines = (line.split(" ", 1) for line in text.strip().splitlines())
    return tuple(
        Option(f"id-{number}", name, None if code == "-" else code) for number, (code, name) in enumerate(lines)
    )


CHARTS = {
    "united kingdom": _chart(_UK),
    "france": _chart(_FRANCE),
    "germany": _chart(_GERMANY),
    "united states": _chart(_UNITED_STATES),
    "japan": _chart(_JAPAN),
    "spain": _chart(_SPAIN),
    "sweden": _chart(_SWEDEN),
}
