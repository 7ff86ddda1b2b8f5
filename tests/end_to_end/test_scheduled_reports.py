"""Reports that come by themselves: once, in local time, to a folder, a URL and a mail server."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socketserver
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_string
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from controller.daemon.jobs.report_sender import ReportSender
from controller.model.controller_status import ControllerStatus
from controller.model.errors import UsageError
from controller.model.rollout import ENDED
from controller.operations.scheduled_report import (
    Delivery,
    check_report_and_parse_schedule,
    deliver_due_reports,
    send_report_now,
)
from controller.scheduled_reports import ScheduledReport
from controller.settings import InvalidSettings, Settings, load_settings
from controller.telemetry.metrics import Metrics
from controller.telemetry.report_delivery import (
    NotDelivered,
    ReportFile,
    deliver_by_mail,
    deliver_to_chat,
    deliver_to_folder,
)
from state import DeliveryKey, open_state
from tests.emulator import Emulator
from tests.end_to_end.place import Place
from tests.processes import PythonProcess
from tests.unit.telemetry.test_metrics import samples

MONDAY_7 = datetime(2026, 11, 23, 7, tzinfo=UTC)
"""07:00 in London."""
REPORT = ScheduledReport("finance", "0 7 * * mon", "Europe/London", formats=("html", "csv"))


@pytest.fixture
def place(tmp_path: Path, emulator_in_process: Emulator) -> Place:
    place = Place(tmp_path, emulator_in_process)
    place.skip_waits()
    place.provision("ann")
    return place


class Receiver:
    """A URL that takes posts and remembers them. `answers`: the next ones (None: it hangs up), then 200."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.answers: list[int | None] = []

    @contextmanager
    def serving(self) -> Iterator[str]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = receiver.answers.pop(0) if receiver.answers else 200
                if status is None:
                    return
                if status == 200:
                    receiver.bodies.append(body)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
        server.shutdown()
        server.server_close()


class MailServer:
    """As much of SMTP as a mail takes. `answers`: by command, instead of the usual ones."""

    def __init__(self, host: str = "127.0.0.1", answers: Mapping[bytes, bytes] | None = None) -> None:
        self.host = host
        self.answers = {b"QUIT": b"221 bye", **(answers or {})}
        self.mails: list[str] = []

    @contextmanager
    def serving(self) -> Iterator[str]:
        mails, answers = self.mails, self.answers

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 here\r\n")
                for line in iter(self.rfile.readline, b""):
                    if line.upper().startswith(b"DATA"):
                        self.wfile.write(b"354 go on\r\n")
                        mails.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                    self.wfile.write(answers.get(line[:4].upper(), b"250 fine") + b"\r\n")

        server = socketserver.ThreadingTCPServer((self.host, 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"smtp://{self.host}:{server.server_address[1]}"
        server.shutdown()
        server.server_close()


def deliver(settings: Settings, *times: datetime) -> list[Delivery]:
    """What one process delivers that looks at these times."""

    async def look() -> list[Delivery]:
        async with open_state(settings.state) as store:
            return [each for now in times for each in await deliver_due_reports(settings, store, now)]

    return asyncio.run(look())


def _at(now: datetime) -> datetime:
    return now


def scheduled(place: Place, *reports: ScheduledReport, smtp_url: str | None = None) -> Settings:
    """Known to the state since the Monday before."""
    settings = replace(place.settings, reports=reports, smtp_url=smtp_url)
    deliver(settings, MONDAY_7 - timedelta(days=7))
    return settings


def test_it_arrives_once_at_a_folder_a_url_and_a_mail_server_from_two_processes_on_one_state(place: Place) -> None:
    receiver, mail = Receiver(), MailServer()
    with receiver.serving() as url, mail.serving() as smtp_url:
        report = replace(
            REPORT,
            folder=place.folder / "out",
            webhook_variable="HOOK",
            webhook=url,
            mail_to=("a@example.com", "b@example.com"),
            mail_from="merchantctl@example.com",
        )
        settings = scheduled(place, report, smtp_url=smtp_url)

        async def two_processes() -> None:
            async with open_state(settings.state) as one, open_state(settings.state) as other:
                for minute in (0, 1, 30):
                    now = MONDAY_7 + timedelta(minutes=minute)
                    senders = [ReportSender(settings, store, Metrics(), partial(_at, now)) for store in (one, other)]
                    await asyncio.gather(*(sender.send_due() for sender in senders))

        asyncio.run(two_processes())
    assert [body["id"] for body in receiver.bodies] == ["finance 2026-11-23T07:00:00Z"]
    assert receiver.bodies[0]["report"]["since"] == "2026-11-16T07:00:00Z", "since the time before"
    assert "1 merchant" in receiver.bodies[0]["text"]
    (message,) = mail.mails
    assert "Subject: finance: 1 merchant: 1 in sync" in message
    assert 'filename="finance-2026-11-23T0700Z.html"' in message
    assert sorted(path.name for path in (place.folder / "out").iterdir()) == [
        "finance-2026-11-23T0700Z.csv",
        "finance-2026-11-23T0700Z.html",
    ]


def test_a_yearly_report_is_sent_though_the_state_remembers_what_is_over_for_a_month(place: Place) -> None:
    report = replace(REPORT, cron="0 7 1 12 *", folder=place.folder / "out")
    due = datetime(2026, 12, 1, 7, tzinfo=UTC)
    settings = replace(place.settings, reports=(report,))
    deliver(settings, due - timedelta(days=300))

    async def forget() -> None:
        async with open_state(settings.state) as store:
            while await store.delete_expired_batch(due - timedelta(days=30), ENDED):
                pass

    asyncio.run(forget())
    (delivery,) = deliver(settings, due, due + timedelta(minutes=1))
    assert (delivery.due_at, delivery.failure) == (due, None)


def test_chats_get_a_few_lines_each_as_their_address_in_apprise_says(place: Place) -> None:
    receiver = Receiver()
    with receiver.serving() as url:
        address = url.replace("http://", "json://")
        report = replace(REPORT, to=("ONE", "TWO"), addresses={"ONE": address, "TWO": f"{address}?:text=message"})
        deliveries = deliver(scheduled(place, report), MONDAY_7, MONDAY_7 + timedelta(minutes=30))
    assert [(each.destination, each.failure) for each in deliveries] == [("ONE", None), ("TWO", None)]
    assert [body["title"] for body in receiver.bodies] == ["finance", "finance"]
    assert receiver.bodies[0]["message"].splitlines()[0] == "1 merchant: 1 in sync."


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (503, NotDelivered("the answer was 503", may_retry=True)),
        (404, NotDelivered("the answer was 404", may_retry=False)),
        (None, NotDelivered("whether it arrived is not known", may_retry=False)),
    ],
)
def test_what_a_chat_did_not_take_is_sent_again_only_where_it_certainly_did_not_arrive(
    answer: int | None, told: NotDelivered
) -> None:
    receiver, logged = Receiver(), StringIO()
    receiver.answers = [answer]
    root, handler = logging.getLogger(), logging.StreamHandler(logged)
    root.addHandler(handler)
    with receiver.serving() as url:
        failure = asyncio.run(deliver_to_chat(url.replace("http://", "json://"), "finance", "1 merchant"))
    root.removeHandler(handler)
    assert failure == told
    assert "/hook" not in logged.getvalue(), "whoever knows the address may post there"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("json://127.0.0.1:9/s3cret", NotDelivered("nobody answers there", may_retry=True)),
        ("nonsense://s3cret", NotDelivered("the address is none that Apprise knows", may_retry=False)),
    ],
)
def test_an_address_that_leads_nowhere_is_told_from_one_that_is_none(address: str, told: NotDelivered) -> None:
    assert asyncio.run(deliver_to_chat(address, "finance", "1 merchant")) == told


def test_a_report_for_a_folder_is_written_through_no_link(tmp_path: Path) -> None:
    """Others may write to that folder, too, and know under which name a report begins."""
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / f".fleet.html.{os.getpid()}").symlink_to(theirs)
    (folder / "fleet.html").symlink_to(theirs)
    report = ReportFile("fleet.html", "text/html", "ours")
    assert asyncio.run(deliver_to_folder(folder, [report])) is None
    assert (theirs.read_text(), (folder / "fleet.html").read_text()) == ("theirs", "ours")
    assert [each.name for each in folder.iterdir()] == ["fleet.html"]


def test_a_password_goes_to_no_server_that_encrypts_nothing() -> None:
    mail = MailServer("127.0.0.2")  # which is taken for another machine
    with mail.serving() as smtp_url:
        failure = asyncio.run(deliver_by_mail(smtp_url.replace("//", "//user:s3cret@"), EmailMessage()))
    assert failure is not None
    assert ("encrypts nothing" in failure.reason, failure.may_retry, mail.mails) == (True, False, [])


def a_mail(*recipients: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "us@example.com", ", ".join(recipients)
    message.set_content("How they stand")
    return message


def test_a_mail_that_was_taken_has_arrived_whatever_the_server_says_to_goodbye() -> None:
    mail = MailServer(answers={b"QUIT": b"421 too busy to part"})
    with mail.serving() as smtp_url:
        assert asyncio.run(deliver_by_mail(smtp_url, a_mail("ann@example.com"))) is None
    assert len(mail.mails) == 1


@pytest.mark.parametrize(("answer", "may_retry"), [(b"450 come back later", True), (b"550 unknown", False)])
def test_a_mail_that_every_recipient_was_refused_for_now_is_tried_again(answer: bytes, may_retry: bool) -> None:
    mail = MailServer(answers={b"RCPT": answer})
    with mail.serving() as smtp_url:
        failure = asyncio.run(deliver_by_mail(smtp_url, a_mail("ann@example.com", "bob@example.com")))
    assert failure == NotDelivered("the mail server refused every recipient", may_retry)
    assert mail.mails == []


def test_a_mail_server_that_is_not_there_is_tried_again() -> None:
    failure = asyncio.run(deliver_by_mail("smtp://127.0.0.1:9", EmailMessage()))
    assert failure == NotDelivered("the mail server did not answer (ConnectionRefusedError)", may_retry=True)


@pytest.mark.parametrize(
    ("begin", "hours"),
    [
        ("2026-03-27T12:00Z", ["28 07:00", "29 06:00", "30 06:00"]),
        ("2026-10-23T12:00Z", ["24 06:00", "25 07:00", "26 07:00"]),
    ],
    ids=["summer time begins", "summer time ends"],
)
def test_two_processes_send_one_mail_and_one_post_a_day_at_seven_in_london_while_the_clocks_change(
    place: Place, begin: str, hours: list[str]
) -> None:
    start = datetime.fromisoformat(begin)
    instants = [at.isoformat() for hour in range(72) if 5 <= (at := start + timedelta(hours=hour)).hour <= 12]
    receiver, mail = Receiver(), MailServer()
    toml = '[[reports]]\nname = "daily"\ncron = "0 7 * * *"\ntime_zone = "Europe/London"\nformats = ["csv"]\n'
    toml += 'webhook_variable = "HOOK"\nmail_to = ["a@example.com"]\nmail_from = "merchantctl@example.com"\n'
    (place.folder / "merchantctl.toml").write_text(toml)
    with receiver.serving() as url, mail.serving() as smtp_url:
        variables = {**place.variables(), "HOOK": url, "MERCHANTCTL_SMTP_URL": smtp_url}
        command = [sys.executable, "-m", "tests.end_to_end.report_process", *instants]
        processes = [PythonProcess(command, cwd=place.folder, env=variables) for _ in range(2)]
        assert [process.wait(300) for process in processes] == [0, 0]
    due = sorted(datetime.fromisoformat(body["id"].removeprefix("daily ")) for body in receiver.bodies)
    assert [f"{each:%d %H:%M}" for each in due] == hours
    assert sorted(parsedate_to_datetime(message_from_string(each)["Date"]) for each in mail.mails) == due


def test_what_does_not_arrive_is_tried_again_and_keeps_nothing_from_the_others(place: Place) -> None:
    receiver = Receiver()
    receiver.answers = [503, 503]
    with receiver.serving() as url:
        report = replace(REPORT, folder=place.folder / "out", webhook_variable="HOOK", webhook=url)
        settings = scheduled(place, report)
        minutes = [MONDAY_7 + timedelta(minutes=minute) for minute in range(12)]
        deliveries = [each for now in minutes for each in deliver(settings, now)]
    told = [(each.destination, each.failure and each.failure.reason, each.will_retry) for each in deliveries]
    assert told == [
        ("folder", None, False),
        ("webhook", "the answer was 503", True),
        ("webhook", "the answer was 503", True),
        ("webhook", None, False),
    ]
    assert len(receiver.bodies) == 1


def test_what_is_refused_is_not_tried_again(place: Place) -> None:
    receiver = Receiver()
    receiver.answers = [404]
    with receiver.serving() as url:
        settings = scheduled(place, replace(REPORT, webhook_variable="HOOK", webhook=url))
        deliver(settings, *(MONDAY_7 + timedelta(hours=hour) for hour in range(8)))
    assert receiver.bodies == []


def test_a_process_that_dies_while_it_sends_leaves_it_unsent_rather_than_sent_twice(place: Place) -> None:
    settings = scheduled(place, replace(REPORT, folder=place.folder / "out"))

    async def claimed() -> bool:
        async with open_state(settings.state) as store:
            return await store.report_deliveries.claim(DeliveryKey("finance", MONDAY_7, "folder"), MONDAY_7)

    assert asyncio.run(claimed())
    assert deliver(settings, MONDAY_7 + timedelta(hours=1)) == []


def test_what_was_due_while_nothing_ran_is_sent_once_and_a_new_report_waits_for_its_time(place: Place) -> None:
    settings = scheduled(place, replace(REPORT, folder=place.folder / "out"))
    later = MONDAY_7 + timedelta(days=15)
    assert [each.due_at for each in deliver(settings, later, later)] == [MONDAY_7 + timedelta(days=14)]
    new = replace(settings, reports=(replace(REPORT, name="new", folder=place.folder / "new"),))
    assert deliver(new, later) == []
    assert len(deliver(new, later + timedelta(days=7))) == 1


def test_a_report_that_cannot_be_made_fails_nothing_else(place: Place) -> None:
    broken = replace(REPORT, name="broken", folder=place.folder / "out", selector="tier=gold")
    settings = scheduled(place, broken, replace(REPORT, folder=place.folder / "out"))
    told = {each.report: each.failure and each.failure.may_retry for each in deliver(settings, MONDAY_7)}
    assert told == {"broken": True, "finance": None}


def test_metrics_tell_what_arrived_what_was_lost_and_since_when_also_after_a_restart(place: Place) -> None:
    receiver = Receiver()
    receiver.answers = [503, 404]

    async def send(settings: Settings, *times: datetime) -> dict[tuple[str, ...], float]:
        metrics = Metrics()
        async with open_state(settings.state) as store:
            for now in times:
                await ReportSender(settings, store, metrics, partial(_at, now)).send_due()
        told = samples(ControllerStatus(), metrics)
        return {key[1:]: value for key, value in told.items() if key[0].startswith("merchantctl_report_")}

    with receiver.serving() as url:
        report = replace(REPORT, folder=place.folder / "out", webhook_variable="HOOK", webhook=url)
        settings = scheduled(place, report)
        seen = asyncio.run(send(settings, MONDAY_7, MONDAY_7 + timedelta(minutes=1)))
        later = asyncio.run(send(settings, MONDAY_7 + timedelta(days=1)))
    arrived = {("finance", "folder"): MONDAY_7.timestamp()}
    assert later == arrived
    assert seen == arrived | {
        ("finance", "folder", "sent"): 1,
        ("failed", "finance", "webhook"): 1,
        ("finance", "lost", "webhook"): 1,
    }


def test_a_report_is_sent_by_hand_as_often_as_somebody_asks(place: Place) -> None:
    toml = '[[reports]]\nname = "finance"\ncron = "0 7 * * *"\nfolder = "out"\n'
    (place.folder / "merchantctl.toml").write_text(toml)
    for _ in range(2):
        ended = place.run_in_process("report", "send", "finance")
        assert (ended.returncode, ended.stdout) == (0, "folder: delivered\n"), ended.stderr
    assert list((place.folder / "out").glob("finance-*.html"))
    unknown = place.run_in_process("report", "send", "nobody")
    assert unknown.returncode == 64
    assert "merchantctl.toml has finance" in unknown.stderr


def test_what_fails_at_one_destination_by_hand_keeps_nothing_from_the_others(place: Place) -> None:
    receiver = Receiver()
    with receiver.serving() as url:
        # A fault of merchantctl's own in what only the folder is given.
        report = replace(REPORT, folder=place.folder / "out", formats=("nobody foresaw",), webhook=url)
        settings = scheduled(place, replace(report, webhook_variable="HOOK"))

        async def send() -> list[Delivery]:
            async with open_state(settings.state) as store:
                return await send_report_now(settings, "finance", store, MONDAY_7)

        told = {each.destination: each.failure and each.failure.reason for each in asyncio.run(send())}
    assert told == {"folder": "it could not be made: KeyError: 'nobody foresaw'", "webhook": None}
    assert len(receiver.bodies) == 1


@pytest.mark.parametrize(
    ("toml", "hint"),
    [
        ('[[reports]]\nname = "x"', "cron: missing"),
        ('[[reports]]\nname = "x"\ncron = "0 7 * * *"', "it goes nowhere"),
        ('[[reports]]\nname = "x"\ncron = "0 7 * * *"\nfolder = "o"\nformat = "pdf"', "format: unknown"),
        ('[[reports]]\nname = "x"\ncron = "0 7 * * *"\nfolder = "o"\nformats = ["pdf"]', "there is no pdf"),
        ('[[reports]]\nname = "x"\ncron = "0 7 * * *"\nmail_to = ["a@b.example"]', "mail_from: missing"),
        ('[[reports]]\nname = "x"\ncron = "0 7 * * *"\nto = ["slack://a/b/s3cret"]', "an address is a secret"),
        ('[[reports]]\nname = "x"\ncron = "0 7 * * *"\nto = "slack://a/b/s3cret"', "this is no list of texts"),
        ('reports = "x"', "are tables"),
        ('[[reports]]\nname = "x"\ncron = "1"\nfolder = "o"\n' * 2, "two [[reports]] are called x"),
    ],
)
def test_a_report_that_is_not_well_said_is_refused_with_its_place(tmp_path: Path, toml: str, hint: str) -> None:
    (tmp_path / "merchantctl.toml").write_text(toml)
    with pytest.raises(InvalidSettings) as refused:
        load_settings({}, tmp_path, {})
    assert hint in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "wrong", [{"cron": "7 o'clock"}, {"time_zone": "Europe/Nowhere"}, {"codes": ("no-such-code",)}]
)
def test_a_schedule_that_means_nothing_is_refused_at_the_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        check_report_and_parse_schedule(replace(REPORT, **wrong))


def test_an_url_that_takes_posts_is_in_a_variable_and_in_no_repr(tmp_path: Path) -> None:
    toml = '[[reports]]\nname = "x"\ncron = "0 7 * * *"\nwebhook_variable = "HOOK"\nto = ["CHAT", "UNSET"]\n'
    (tmp_path / "merchantctl.toml").write_text(toml)
    settings = load_settings({"HOOK": "https://chat.example/s3cret", "CHAT": "slack://s3cret"}, tmp_path, {})
    assert settings.reports[0].webhook == "https://chat.example/s3cret"
    assert settings.reports[0].secrets == ("https://chat.example/s3cret", "slack://s3cret")
    assert settings.reports[0].destinations == ("webhook", "CHAT", "UNSET")
    assert "s3cret" not in repr(settings)
