"""Configuration documents at random: any part absent or null, unknown fields at every level."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

IDS = st.sampled_from(["a1", "a2", "a3", "gone", "Ünï", "x.y"])
NAMES = st.none() | st.text(max_size=5)
WORDS = st.sampled_from(["Daily", "Monthly", "Location", "Country", "Draft", "Submitted"])
NUMBERS = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
UNKNOWN = st.dictionaries(st.text(max_size=4).map(lambda text: f"x{text}"), ANYTHING, max_size=2)


def _object(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of the known members, each possibly null, among unknown ones."""
    some = st.fixed_dictionaries({}, optional={key: st.none() | value for key, value in known.items()})
    return st.tuples(UNKNOWN, some).map(lambda both: {**both[0], **both[1]})


def _options(**more: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    option = st.tuples(_object(name=NAMES, **more), IDS).map(lambda both: {**both[0], "id": both[1]})
    return st.lists(option, max_size=3)


_ACCOUNT = _object(
    selectedAccountId=IDS, required=st.booleans(), labelText=NAMES, accountOptions=_options(nominalCode=NAMES)
)
_TAX_RATE = _object(selectedTaxRateId=IDS, taxRateOptions=_options())


def _accounts(*keys: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(keys), st.none() | _ACCOUNT, max_size=3)


def _group_by() -> st.SearchStrategy[dict[str, Any]]:
    return _object(selectedGroupByOptions=st.lists(WORDS, max_size=2), groupByOptions=st.lists(WORDS, max_size=2))


DOCUMENTS = _object(
    companyId=st.just("c1"),
    accountingSoftwareCompanyName=NAMES,
    enabled=st.booleans(),
    configured=st.booleans(),
    schedule=_object(
        selectedFrequency=WORDS,
        frequencyOptions=st.lists(WORDS, max_size=2),
        startDate=st.sampled_from(
            ["0001-01-01T00:00:00", "2022-06-15T00:00:00Z", "2022-06-15", "2022-10-01T01:00:00-05:00"]
        ),
        syncHourUtc=st.integers(0, 23),
        timeZone=st.sampled_from(["Europe/London", "Asia/Kolkata", "Mars/Base", "Etc/UTC"]),
    ),
    configuration=_object(
        sales=_object(
            syncSales=st.booleans(),
            accounts=_accounts("sales", "refund", "prePaid", "gratuity"),
            invoiceStatus=_object(selectedInvoiceStatus=WORDS, invoiceStatusOptions=st.lists(WORDS, max_size=2)),
            salesCustomer=_object(selectedCustomerId=IDS, customerOptions=_options()),
            taxRates=st.dictionaries(
                st.sampled_from(["0", "5", "17.50", "20", "20.0", "exempt"]), st.none() | _TAX_RATE, max_size=3
            ),
            newTaxRates=ANYTHING,
            grouping=_object(
                groupingPeriod=_object(selectedGroupingPeriod=WORDS, groupingPeriodOptions=st.lists(WORDS, max_size=2)),
                groupingLevels=_object(invoiceLevel=_group_by(), invoiceLineLevel=_group_by()),
            ),
        ),
        payments=_object(syncPayments=st.booleans(), accounts=_accounts("card", "Cash", "prepaid", "loan")),
        newPayments=ANYTHING,
        fees=_object(
            syncFees=st.booleans(),
            accounts=_accounts("paymentFee", "loan"),
            feesSupplier=_object(selectedSupplierId=IDS, supplierOptions=_options()),
        ),
    ),
)
