"""What a message says: plain text and HTML (RFC 2046, multipart/alternative), and its header.

The words are those of :mod:`greenroom.registry.notices`; the templates, in ``templates/mail/``,
arrange them. Nothing in a message is loaded from anywhere.
"""

import hashlib
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import cache
from types import MappingProxyType
from urllib.parse import urlsplit

import jinja2
from msgspec import Struct

from greenroom.counts import counted
from greenroom.models import LinkKind
from greenroom.paths import TEMPLATES
from greenroom.registry import notices
from greenroom.registry.mail import SUMMARY, Letter
from greenroom.registry.notices import NOTICES, Category, Notice, Place
from greenroom.registry.permissions import NO_USERS, OPERATOR
from greenroom.settings import Settings, is_mail_address
from greenroom.web.http.urls import Urls

_WIDTH = 72
_ADVICE = (
    "If that was not you, change your password at {} and revoke the API tokens that you do not "
    "know."
)
_LINKS: Mapping[LinkKind, str] = MappingProxyType(
    {
        LinkKind.EMAIL_VERIFICATION: "Verify this address",
        LinkKind.PASSWORD_RESET: "Set another password",
        LinkKind.INVITATION: "Make an account",
    }
)


class Body(Struct, frozen=True):
    """What a message says, before it is text or HTML.

    Attributes:
        paragraphs: sentences, the most important first.
        facts: names and values, such as when and from where.
        link: what the message leads to, as words and a URL.
        advice: what to do where something is wrong.
        reason: why the recipient gets it.
    """

    subject: str
    paragraphs: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    link: tuple[str, str]
    advice: str
    reason: str


class _Named(Struct, frozen=True):
    name: str


def message(settings: Settings, letter: Letter, now: datetime) -> EmailMessage:
    """The message that tells somebody of an event, whole.

    Raises:
        ValueError: the address cannot stand in a message.
    """
    body = _summary(settings, letter) if letter.act == SUMMARY else _told(settings, letter)
    return composed(settings, letter, body, now)


def composed(settings: Settings, letter: Letter, body: Body, now: datetime) -> EmailMessage:
    """A message with this body.

    Raises:
        ValueError: the address cannot stand in a message.
    """
    if not is_mail_address(letter.address):
        raise ValueError("no address that mail can be sent to")
    made = EmailMessage(policy=SMTP)
    made["From"] = Address(parseaddr(settings.mail_from or "")[0], addr_spec=sender(settings))
    made["To"] = Address(addr_spec=letter.address)
    made["Subject"] = f"[{host(settings)}] {body.subject}"
    made["Date"] = format_datetime(now.astimezone(UTC))
    # The same whenever it is sent again, so that who gets it twice can tell; another one with
    # another link, so that no mail program hides the one that is good.
    told = f"{letter.key} {letter.link.key if letter.link is not None else ''}"
    mark = hashlib.sha256(told.encode()).hexdigest()[:32]
    made["Message-ID"] = f"<{mark}@{sender(settings).rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834, so that no machine answers
    made["X-Auto-Response-Suppress"] = "All"
    known = {"body": body, "username": letter.username, "host": host(settings)}
    made.set_content(_environment().get_template("message.txt.jinja2").render(known))
    html = _environment().get_template("message.html.jinja2").render(known)
    made.add_alternative(html, subtype="html")
    return made


def host(settings: Settings) -> str:
    """What people know the index by: the host of its address."""
    return urlsplit(settings.url or "").hostname or "localhost"


def sender(settings: Settings) -> str:
    """The address that mail comes from."""
    return parseaddr(settings.mail_from or "")[1]


def _told(settings: Settings, letter: Letter) -> Body:
    notice, facts = NOTICES[letter.act], _for_words(letter.facts)
    urls = Urls(settings.url or "")
    link = _link(urls, notice.place, facts)
    if letter.link is not None:
        link = _LINKS[letter.link.kind], urls.one_time_link(letter.link)
    is_security = notice.category is Category.SECURITY and letter.link is None
    return Body(
        notice.subject.format_map(facts),
        (notice.says.format_map(facts),),
        tuple(_shown(letter, notice, facts)),
        link,
        _ADVICE.format(urls.account()) if is_security else "",
        _reason(letter, notice, urls),
    )


def _shown(letter: Letter, notice: Notice, facts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """When it was; and from where, of what was done in the name of the account itself."""
    if letter.act == notices.EXPIRING:
        return
    yield "When", _moment(facts["at"])
    is_of_somebody_else = facts["about_id"] != facts["by_id"] != "" != facts["about_id"]
    if notice.category is not Category.SECURITY or is_of_somebody_else or not letter.username:
        return
    for name, fact in (("From", "address"), ("By means of", "credential")):
        if facts[fact]:
            yield name, facts[fact]


def _reason(letter: Letter, notice: Notice, urls: Urls) -> str:
    if letter.link is not None:
        return "It was sent because somebody gave this address, or the name of its account."
    if notice.category is Category.SECURITY:
        return "You are told of everything that concerns the security of your account."
    return f"What you are told of you choose at {urls.notifications()}"


def _summary(settings: Settings, letter: Letter) -> Body:
    notice = NOTICES.get(letter.facts["of"])
    what = f"“{notice.category.about}”" if notice is not None else "one kind"
    count = int(letter.facts["count"])
    were = "was" if count == 1 else "were"
    urls = Urls(settings.url or "")
    return Body(
        f"{counted(count, 'more message')} {were} not sent",
        (
            f"Within an hour there was more to tell you of {what} than one person reads. "
            f"{counted(count, 'message')} of this kind {were} not sent.",
        ),
        (),
        _link(urls, Place.ACTIVITY, letter.facts),
        "",
        "Of one kind you get some messages an hour.",
    )


def _for_words(facts: Mapping[str, str]) -> defaultdict[str, str]:
    """The facts of an event, with words for who is no user and no publisher."""
    known = defaultdict(str, facts)
    if known["by"] == OPERATOR.name:
        known["by"] = "The operator of this index"
    elif known["by"] in NO_USERS:
        known["by"] = "This index"
    return known


def _link(urls: Urls, place: Place, facts: Mapping[str, str]) -> tuple[str, str]:
    match place:
        case Place.ACTIVITY:
            return "What was done with your account", urls.account("audit")
        case Place.TOKENS:
            return "Your API tokens", urls.tokens()
        case Place.INVITATIONS:
            return "Your invitations", urls.invitations()
        case Place.TEAMS:
            return "Your teams", urls.teams()
        case Place.PROJECT:
            return "The project", urls.managed_project(_Named(facts["project"]))
        case Place.RELEASE:
            return "The release", urls.release_named(facts["project"], facts["version"])
        case Place.DRAFT:
            return "The draft", urls.managed_draft_named(facts["project"], facts["version"])
        case Place.SETS:
            return "Your release sets", urls.managed_sets()
        case Place.WEBHOOKS if facts["about"]:
            return "Your release sets", urls.managed_sets()
        case Place.WEBHOOKS if not facts["project"]:
            return "The webhooks", urls.admin_part("webhooks")
        case Place.WEBHOOKS:
            return "The webhooks", urls.webhooks(facts["project"])
        case Place.LINK:
            return "The index", urls.home()


def _moment(text: str) -> str:
    """A moment for people: ``1 Jun 2026, 12:00 UTC``."""
    time = datetime.fromisoformat(text).astimezone(UTC)
    return f"{time.day} {time:%b %Y, %H:%M} UTC"


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES / "mail"),
        autoescape=jinja2.select_autoescape(("html.jinja2",), default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["wrapped"] = _wrapped
    return environment
