"""Settings: what each variable accepts, and what is said of one that does not parse."""

import pickle
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.settings import (
    FIELDS,
    Settings,
    address_warning,
    load_settings,
    parse_duration,
    parse_size,
    secret_key,
    shown_settings,
    unknown_variables,
)
from greenroom.settings_sources import BadSettings
from tests.factories import at_once


def test_everything_has_a_default() -> None:
    settings = load_settings({})
    assert settings == Settings(log_format=settings.log_format)
    assert settings.data == Path("data")
    assert settings.embedded
    assert settings.sqlalchemy_url.startswith("sqlite:////")
    assert settings.registration == "closed"
    assert not settings.private
    assert (settings.max_file_size, settings.max_project_size) == (2**30, 10 * 2**30)
    assert (settings.new_projects_per_hour, settings.uploads_per_hour) == (20, 0)
    assert settings.draft_lifetime == timedelta(days=14)
    assert settings.draft_lifetime_max == timedelta(days=60)
    assert settings.release_open_days == 14
    assert settings.trusted_proxies == ()


def test_an_empty_variable_is_not_set() -> None:
    assert load_settings({"GREENROOM_POLICY": ""}).policy == "public"


def test_other_variables_are_of_no_interest() -> None:
    assert load_settings({"POLICY": "x", "GREENROOM_": "x", "GREENROOM_OTHER": "x"}).data == Path(
        "data"
    )


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("DATA", "/srv/index", Path("/srv/index")),
        ("DATABASE_URL", "postgresql+psycopg2://u:p@db/x", "postgresql+psycopg2://u:p@db/x"),
        ("DATABASE_URL", "postgresql://u:p@db/x", "postgresql://u:p@db/x"),
        ("DATABASE_URL", "sqlite:///x.sqlite", "sqlite:///x.sqlite"),
        ("STORAGE_URL", "s3://bucket/prefix", "s3://bucket/prefix"),
        ("URL", "https://index.example/", "https://index.example"),
        ("REGISTRATION", "open", "open"),
        ("POLICY", "private", "private"),
        ("MAX_FILE_SIZE", "500MiB", 500 * 2**20),
        ("PROHIBITED_NAMES", "acme, Acme.Core  x", ("acme", "Acme.Core", "x")),
        ("NEW_PROJECTS_PER_HOUR", "0", 0),
        ("NEW_PROJECTS_PER_DAY", "50", 50),
        (
            "TRUSTED_PROXIES",
            "10.0.0.0/8, fd00::/8 192.0.2.1",
            (ip_network("10.0.0.0/8"), ip_network("fd00::/8"), ip_network("192.0.2.1")),
        ),
        ("DRAFT_LIFETIME", "90s", timedelta(seconds=90)),
        ("RELEASE_OPEN_DAYS", "0", 0),
        ("PURGE_URL", "https://cache.example/purge", "https://cache.example/purge"),
        ("LOG_FORMAT", "json", "json"),
    ],
)
def test_variables_are_parsed(variable: str, text: str, value: object) -> None:
    settings = load_settings({f"GREENROOM_{variable}": text})
    assert getattr(settings, variable.lower()) == value


@pytest.mark.parametrize(
    ("variable", "text", "accepts"),
    [
        ("REGISTRATION", "yes", "closed or open"),
        ("POLICY", "Private", "public or private"),
        ("LOG_FORMAT", "xml", "text or json"),
        ("MAX_FILE_SIZE", "big", "GiB"),
        ("MAX_FILE_SIZE", "0", "GiB"),
        ("MAX_PROJECT_SIZE", "-1", "GiB"),
        ("PROHIBITED_NAMES", "acme, -x", "project names"),
        ("NEW_PROJECTS_PER_HOUR", "-1", "0 for no limit"),
        ("NEW_PROJECTS_PER_DAY", "1.5", "0 for no limit"),
        ("UPLOADS_PER_HOUR", "many", "0 for no limit"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "networks such as"),
        ("DRAFT_LIFETIME", "14", "such as 14d"),
        ("DRAFT_LIFETIME", "0d", "such as 14d"),
        ("DRAFT_LIFETIME_MAX", "two weeks", "such as 60d"),
        ("RELEASE_OPEN_DAYS", "-1", "0 for ever"),
        ("URL", "index.example", "http or https URL"),
        ("URL", "https://index.example/?x", "http or https URL"),
        ("PURGE_URL", "ftp://cache.example", "http or https URL"),
        ("DATABASE_URL", "mysql://db/x", "postgresql"),
        ("DATABASE_URL", "sqlite://", "sqlite:///path"),
        ("SECRET_KEY", "short", "at least 16 characters"),
    ],
)
def test_what_does_not_parse_is_told_with_what_would(
    variable: str, text: str, accepts: str
) -> None:
    with pytest.raises(BadSettings) as caught:
        load_settings({f"GREENROOM_{variable}": text})
    assert f"GREENROOM_{variable} is" in str(caught.value)
    assert accepts in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_secret_is_not_repeated() -> None:
    with pytest.raises(BadSettings) as key:
        load_settings({"GREENROOM_SECRET_KEY": "hunter2"})
    with pytest.raises(BadSettings) as url:
        load_settings({"GREENROOM_DATABASE_URL": "mysql://u:hunter2@db/x"})
    assert "hunter2" not in str(key.value) + str(url.value)


def test_a_lifetime_is_not_above_its_maximum() -> None:
    with pytest.raises(BadSettings, match=r"GREENROOM_DRAFT_LIFETIME .*accepts at most"):
        load_settings({"GREENROOM_DRAFT_LIFETIME": "61d"})
    fitting = {"GREENROOM_DRAFT_LIFETIME": "61d", "GREENROOM_DRAFT_LIFETIME_MAX": "61d"}
    assert load_settings(fitting).draft_lifetime == timedelta(days=61)


def test_settings_fit_together_however_they_are_made() -> None:
    long = timedelta(days=61)
    with pytest.raises(BadSettings, match=r"GREENROOM_DRAFT_LIFETIME .*accepts at most"):
        Settings(draft_lifetime=long)
    with pytest.raises(BadSettings, match=r"GREENROOM_DRAFT_LIFETIME .*accepts at most"):
        replace(Settings(), draft_lifetime=long)
    fitting = replace(Settings(), draft_lifetime=long, draft_lifetime_max=long)
    assert fitting.draft_lifetime == long


def test_nobody_changes_settings() -> None:
    with pytest.raises(AttributeError):
        Settings().policy = "private"  # type: ignore[misc]


def test_workers_get_settings_that_are_equal() -> None:
    settings = load_settings(
        {
            "GREENROOM_DATA": "/srv/index",
            "GREENROOM_URL": "https://index.example",
            "GREENROOM_DRAFT_LIFETIME": "7d",
            "GREENROOM_TRUSTED_PROXIES": "10.0.0.0/8, fd00::/8",
            "GREENROOM_TRUSTED_ISSUERS": "github",
            "GREENROOM_UPSTREAMS": "up=https://up.example/simple/",
            "GREENROOM_UPSTREAM_DENY": "bad<3",
        }
    )
    assert pickle.loads(pickle.dumps(settings)) == settings


@pytest.mark.parametrize(
    ("text", "number"),
    [("14", 14), (" 14 ", 14), ("014", 14), ("+14", 14), ("1_000", 1000), ("-0", 0), ("0", 0)],
)
def test_whole_numbers(text: str, number: int) -> None:
    assert load_settings({"GREENROOM_UPLOADS_PER_HOUR": text}).uploads_per_hour == number


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "1.5",
        "14.0",
        "1e3",
        "0x10",
        "1 000",
        "1,000",
        "_1",
        "1__0",
        "-1",
        "\u0663",
        "1000000001",
    ],
)
def test_what_is_no_whole_number_or_too_large(text: str) -> None:
    with pytest.raises(BadSettings, match="it accepts a whole number, 0 for no limit"):
        load_settings({"GREENROOM_UPLOADS_PER_HOUR": text})


@pytest.mark.parametrize(
    ("variable", "good", "bad"),
    [
        ("TRASH_DAYS", "36500", "36501"),
        ("AUDIT_DAYS", "1", "0"),
        ("STALE_SECONDS", "86400", "86401"),
        ("UPSTREAM_PAGE_MEMORY", "16MiB", "16383KiB"),
        ("MAX_USER_SIZE", "1", "0"),
        ("READ_CACHE", "0s", "0"),
        ("UPSTREAM_MIN_AGE", "1s", "0s"),
        ("OIDC_NAME", "\u00e9" * 50, "\u00e9" * 51),
        ("METRICS_TOKEN", "x" * 16, "x" * 15),
        ("SECRET_KEY", "x" * 16, "x" * 15),
    ],
)
def test_limits(variable: str, good: str, bad: str) -> None:
    load_settings({f"GREENROOM_{variable}": good})
    with pytest.raises(BadSettings, match=f"GREENROOM_{variable} is .*: it accepts"):
        load_settings({f"GREENROOM_{variable}": bad})


@pytest.mark.parametrize(
    "line",
    [
        'trusted_user_header = "X-User\\n"',
        'prohibited_names = ["acme\\n"]',
        'policy = "public\\n"',
        'url = "https://index.example\\n"',
        'claimed_names = ["acme\\n"]',
    ],
)
def test_what_has_a_line_more_is_refused(tmp_path: Path, line: str) -> None:
    config = written(tmp_path, f'trusted_proxies = "10.0.0.0/8"\n{line}')
    with pytest.raises(BadSettings, match=f"{line.partition(' ')[0]} in .* is .*: it accepts"):
        load_settings({"GREENROOM_CONFIG": config})


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("12h", timedelta(hours=12)),
        (" 14 d ", timedelta(days=14)),
        ("3653d", timedelta(days=3653)),
    ],
)
def test_durations(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize(
    "text", ["", "14", "d", "1.5d", "-1d", "1w", "\u0661d", "3654d", "9999999999s"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as 14d|at most 3653d"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1048576", 2**20),
        ("5B", 5),
        ("1KiB", 2**10),
        ("1 kb", 2**10),
        ("500MiB", 500 * 2**20),
        ("2G", 2 * 2**30),
        ("1TiB", 2**40),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "1.5GiB", "-1", "1PiB", "1 000", "\u0663"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="such as 1GiB"):
        parse_size(text)


def test_the_key_is_the_setting(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, secret_key="a key of one's own")
    assert secret_key(settings) == "a key of one's own"
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_made_once_and_kept_for_the_owner_alone(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "new")
    made = secret_key(settings)
    assert len(made) >= 48
    assert secret_key(settings) == made
    (file,) = settings.data.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_processes_that_start_at_once_agree_on_a_key(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "new")
    assert len(set(at_once(*[lambda: secret_key(settings)] * 8))) == 1
    assert len(list(settings.data.iterdir())) == 1


def test_an_index_that_believes_everybody_about_its_address_is_warned_of() -> None:
    trusted = {"GREENROOM_TRUSTED_PROXIES": "10.0.0.0/8"}
    address = {"GREENROOM_URL": "https://index.example"}

    warning = address_warning(load_settings(trusted))

    assert warning is not None
    assert "Set GREENROOM_URL to the public address." in warning
    for others in (trusted | address, address, {}):
        assert address_warning(load_settings(others)) is None


# --- files ----------------------------------------------------------------------------------------


def written(folder: Path, text: str, name: str = "greenroom.toml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_file_sets_what_the_environment_does_not(tmp_path: Path) -> None:
    config = written(
        tmp_path,
        """
        policy = "private"
        registration = "open"
        max_file_size = "2GiB"
        max_user_size = 1048576
        new_projects_per_hour = 0
        trusted_proxies = ["10.0.0.0/8", "fd00::/8"]
        prohibited_names = "acme, core"
        review_command = ["/opt/review release", "--strict"]
        draft_lifetime = "7d"
        url = ""
        """,
    )

    settings = load_settings({"GREENROOM_CONFIG": config, "GREENROOM_REGISTRATION": "closed"})

    assert settings.policy == "private"
    assert settings.registration == "closed"  # the environment wins
    assert (settings.max_file_size, settings.max_user_size) == (2 * 2**30, 2**20)
    assert settings.new_projects_per_hour == 0
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert settings.prohibited_names == ("acme", "core")
    assert settings.review_command == "'/opt/review release' --strict"
    assert settings.draft_lifetime == timedelta(days=7)
    assert settings.url is None


def test_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    key = written(tmp_path, "a key of sixteen letters\n", "key")
    token = written(tmp_path, "purge it", "token")
    config = written(tmp_path, f'secret_key = "in the file itself"\npurge_token_file = "{token}"')

    settings = load_settings({"GREENROOM_CONFIG": config, "GREENROOM_SECRET_KEY_FILE": key})

    assert settings.secret_key == "a key of sixteen letters"
    assert settings.purge_token == "purge it"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('policy = "Private"', "policy in CONFIG is 'Private': it accepts public or private."),
        ("policy = true", "policy in CONFIG is True: it accepts public or private."),
        ("policy = ['public']", "policy in CONFIG is ['public']: it accepts public or private."),
        ("data = 5", "data in CONFIG is 5: it accepts a folder."),
        ("release_open_days = true", "release_open_days in CONFIG is True: it accepts a whole"),
        ("release_open_days = 1.0", "release_open_days in CONFIG is 1.0: it accepts a whole"),
        ("max_file_size = 1979-05-27", "max_file_size in CONFIG is datetime.date(1979, 5, 27):"),
        ("trusted_proxies = ['10.0.0.1/8']", "it accepts networks such as 10.0.0.0/8"),
        ("trusted_proxies = 5", "trusted_proxies in CONFIG is 5: it accepts networks such as"),
        ("trusted_proxies = [5]", "trusted_proxies in CONFIG is [5]: it accepts networks such as"),
        ("review_command = []\nreview_timeout = 5", "review_timeout in CONFIG is 5:"),
        ("[policy]\nx = 1", "policy in CONFIG is {'x': 1}: it accepts public or private."),
        ('secret_key = "hunter2"', "secret_key in CONFIG is not understood: it accepts at least"),
        ('database_url = "mysql://u:hunter2@x/y"', "GREENROOM_DATABASE_URL is not understood"),
        ("purge_url = 'ftp://u:hunter2@x'", "purge_url in CONFIG is not understood: it accepts an"),
        ("mail_url = 'http://u:hunter2@x'", "mail_url in CONFIG is not understood: it accepts"),
        (
            "mail_url = 'smtp://u@x'",
            "mail_url in CONFIG is not understood: it accepts smtp://user:",
        ),
        ("mail_url = 'smtp://x:99999'", "mail_url in CONFIG is not understood"),
        ("mail_url = 'smtp://x?tls=off'", "mail_url in CONFIG is not understood"),
        ("mail_url = 'smtp://x'", "also takes GREENROOM_MAIL_FROM and GREENROOM_URL: mail says"),
        ("mail_url = 'smtp://x'\nmail_from = 'a@b'", "also takes GREENROOM_URL: mail says who"),
        ("mail_from = 'Index <a@b.example>, c@d.example'", "it accepts an address, such as"),
        ("mail_from = 'a@b.example\\nBcc: c@d.example'", "it accepts an address, such as"),
        ('secret_key_file = "/nowhere"', "secret_key_file in CONFIG is /nowhere, which cannot be"),
        ('secret_key = "x"\nsecret_key_file = "y"', "are both set in CONFIG: leave one of them."),
        ("policy = \n", "GREENROOM_CONFIG is CONFIG, which is no TOML: Invalid value (at line 1,"),
    ],
)
def test_what_a_file_says_wrongly_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    config = written(tmp_path, text)
    with pytest.raises(BadSettings) as caught:
        load_settings({"GREENROOM_CONFIG": config})
    assert sentence in str(caught.value).replace(config, "CONFIG")
    assert "hunter2" not in str(caught.value)


def test_of_every_setting_it_is_told_what_it_accepts(tmp_path: Path) -> None:
    for field in FIELDS:
        config = written(tmp_path, f"{field} = {{x = 1}}")
        with pytest.raises(BadSettings, match=r": it accepts [a-z0-9]"):
            load_settings({"GREENROOM_CONFIG": config})


@pytest.mark.parametrize("value", ["5", "-1", "'x'", "' '", '"\\n"', '"\'"', "['x']", "[' ']"])
def test_what_a_setting_does_not_accept_is_told_whichever_it_is(tmp_path: Path, value: str) -> None:
    for field in FIELDS:
        config = written(tmp_path, f"{field} = {value}")
        with suppress(BadSettings):  # and nothing else is raised
            load_settings({"GREENROOM_CONFIG": config})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read (No such file or directory): it accepts"),
        (b"\xff", "cannot be read (it is not UTF-8): it accepts"),
        (b"x" * (2**20 + 1), "cannot be read (it is larger than 1 MiB): it accepts"),
    ],
)
@pytest.mark.parametrize("variable", ["CONFIG", "SECRET_KEY_FILE"])
def test_a_file_that_cannot_be_read_is_told(
    tmp_path: Path, variable: str, content: bytes | None, problem: str
) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(BadSettings) as caught:
        load_settings({f"GREENROOM_{variable}": str(tmp_path / "file")})
    assert f"GREENROOM_{variable} is {tmp_path / 'file'}, which {problem}" in str(caught.value)


def test_a_secret_has_one_place_and_one_line(tmp_path: Path) -> None:
    two = written(tmp_path, "hunter2, hunter2\nhunter2", "two")
    empty = written(tmp_path, "\n", "empty")
    for environ, problem in [
        ({"GREENROOM_SECRET_KEY": "x" * 16, "GREENROOM_SECRET_KEY_FILE": two}, "are both set"),
        ({"GREENROOM_SECRET_KEY_FILE": two}, "which has several lines"),
        ({"GREENROOM_SECRET_KEY_FILE": empty}, "which is empty"),
    ]:
        with pytest.raises(BadSettings, match=problem) as caught:
            load_settings(environ)
        assert "hunter2" not in str(caught.value)


def test_names_that_are_no_settings_are_warned_of_wherever_they_stand(tmp_path: Path) -> None:
    config = written(tmp_path, 'polcy = "public"\nsecret_key_file = "x"\nX-Y = 1\ndata_ = "x"')
    environ = {"GREENROOM_CONFIG": config, "GREENROOM_SECRET_KEY_FILE": "y", "GREENROOM_CONFG": "z"}

    assert [line.replace(config, "CONFIG") for line in unknown_variables(environ)] == [
        "GREENROOM_CONFG is no setting and does nothing: did you mean GREENROOM_CONFIG?",
        "polcy in CONFIG is no setting and does nothing: did you mean policy?",
        "X-Y in CONFIG is no setting and does nothing: docs/operating.md has them all.",
        "data_ in CONFIG is no setting and does nothing: did you mean data?",
    ]


def test_what_holds_is_shown_with_its_place_and_without_secrets(tmp_path: Path) -> None:
    key = written(tmp_path, "hunter2 hunter2 hunter2", "key")
    config = written(
        tmp_path,
        """
        database_url = "postgresql://ada:hunter2@db/x?sslpassword=hunter2"
        purge_token = "hunter2"
        review_command = "/opt/review --token=hunter2"
        purge_url = "https://ada:hunt@hunter2@cache.example/purge"
        mail_url = "smtp://ada:hunt@hunter2@mail.example:587"
        mail_from = "Greenroom <greenroom@index.example>"
        url = "https://index.example"
        trusted_proxies = ["10.0.0.0/8", "192.0.2.1"]
        max_file_size = "1536MiB"
        """,
    )
    environ = {
        "GREENROOM_CONFIG": config,
        "GREENROOM_SECRET_KEY_FILE": key,
        "GREENROOM_DATA": "/srv/index",
        "GREENROOM_DRAFT_LIFETIME": "36h",
    }

    shown = {setting.name: (setting.value, setting.source) for setting in shown_settings(environ)}

    assert "hunter2" not in str(shown)
    assert shown["GREENROOM_DATA"] == ("/srv/index", "environment")
    assert shown["GREENROOM_DRAFT_LIFETIME"] == ("36h", "environment")
    assert shown["GREENROOM_DRAFT_LIFETIME_MAX"] == ("60d", "default")
    assert shown["GREENROOM_SECRET_KEY"] == ("(set, not shown)", key)
    assert shown["GREENROOM_PURGE_TOKEN"] == ("(set, not shown)", config)
    assert shown["GREENROOM_REVIEW_COMMAND"] == ("/opt/review …", config)
    assert shown["GREENROOM_DATABASE_URL"] == (
        "postgresql://ada:***@db/x?sslpassword=***",
        config,
    )
    assert shown["GREENROOM_PURGE_URL"] == ("https://ada:***@cache.example/purge", config)
    assert shown["GREENROOM_MAIL_URL"] == ("smtp://ada:***@mail.example:587", config)
    assert shown["GREENROOM_STORAGE_URL"] == ("/srv/index/files", "default")
    assert shown["GREENROOM_TRUSTED_PROXIES"] == ("10.0.0.0/8, 192.0.2.1/32", config)
    assert shown["GREENROOM_MAX_FILE_SIZE"] == ("1536MiB", config)
    assert shown["GREENROOM_MAX_TOTAL_SIZE"] == ("none", "default")
    assert shown["GREENROOM_AUDIT_DAYS"] == ("for ever", "default")
    assert shown.keys() == {f"GREENROOM_{field.upper()}" for field in FIELDS}


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, 300),
        ({"GREENROOM_POLICY": "private"}, 0),
        ({"GREENROOM_POLICY": "private", "GREENROOM_STALE_SECONDS": "60"}, 60),
        ({"GREENROOM_STALE_SECONDS": "0"}, 0),
    ],
)
def test_how_long_old_answers_are_sent(environ: dict[str, str], seconds: int) -> None:
    assert load_settings(environ).stale_answers == seconds


ISSUERS = (
    "github, gitlab=https://git.example:8443/lab, gitea=https://forge.example/api/actions,"
    " kite=https://kite.example organization pipeline keys=keys.example keys=10.0.0.1:8443"
)


def test_whose_id_tokens_are_taken() -> None:
    settings = load_settings(
        {"GREENROOM_TRUSTED_ISSUERS": ISSUERS, "GREENROOM_URL": "https://index.example:8443/pypi"}
    )
    github, gitlab, gitea, kite = settings.trusted_issuers
    assert (github.service, github.url) == ("github", "https://token.actions.githubusercontent.com")
    assert (gitlab.service, gitlab.url) == ("gitlab", "https://git.example:8443/lab")
    assert (gitea.name, gitea.service) == ("gitea", "forgejo")
    assert (kite.service, kite.claims) == ("other", ("organization", "pipeline"))
    assert kite.issuer.hosts == {"keys.example", "10.0.0.1:8443"}
    assert settings.audience == "index.example:8443/pypi"
    shown = next(
        each.value
        for each in shown_settings(
            {"GREENROOM_TRUSTED_ISSUERS": ISSUERS, "GREENROOM_URL": "https://index.example"}
        )
        if each.name == "GREENROOM_TRUSTED_ISSUERS"
    )
    again = load_settings(
        {"GREENROOM_TRUSTED_ISSUERS": shown, "GREENROOM_URL": "https://index.example"}
    )
    assert again.trusted_issuers == settings.trusted_issuers


@pytest.mark.parametrize(
    "text",
    [
        "gitea",
        "forgejo",
        "kite=https://kite.example",
        "kite=http://kite.example claim",
        "kite=kite.example claim",
        "kite claim",
        "=https://kite.example claim",
        "Kite=https://kite.example claim",
        "kite=https://kite.example?a=b claim",
        "kite=https://user:secret@kite.example claim",
        "kite=https://kite.example claim claim",
        "kite=https://kite.example cl*im",
        "kite=https://kite.example claim keys=",
        "kite=https://kite.example claim keys=https://keys.example",
        "github claim",
        "github, github",
        "github, gh=https://token.actions.githubusercontent.com claim",
        "gitlab, gitlab=https://git.example",
    ],
)
def test_issuers_that_are_none(text: str) -> None:
    with pytest.raises(BadSettings, match="it accepts github, gitlab, forgejo=https") as caught:
        load_settings({"GREENROOM_TRUSTED_ISSUERS": text, "GREENROOM_URL": "https://index.example"})
    assert "GREENROOM_TRUSTED_ISSUERS" in str(caught.value)


def test_id_tokens_have_to_be_for_an_address() -> None:
    with pytest.raises(BadSettings, match="GREENROOM_URL is not: set it to the public address"):
        load_settings({"GREENROOM_TRUSTED_ISSUERS": "github"})
    assert load_settings({"GREENROOM_URL": "https://index.example"}).audience is None
    assert load_settings({"GREENROOM_TRUSTED_ISSUERS": " , "}).trusted_issuers == ()


def test_issuers_in_a_file(tmp_path: Path) -> None:
    config = tmp_path / "greenroom.toml"
    config.write_text('url = "https://index.example"\ntrusted_issuers = ["github", "gitlab"]\n')
    settings = load_settings({"GREENROOM_CONFIG": str(config)})
    assert [each.name for each in settings.trusted_issuers] == ["github", "gitlab"]
    for wrong in ("5", "[5]", '["github claim"]', "true"):
        config.write_text(f'url = "https://index.example"\ntrusted_issuers = {wrong}\n')
        with pytest.raises(BadSettings, match="it accepts github, gitlab"):
            load_settings({"GREENROOM_CONFIG": str(config)})
