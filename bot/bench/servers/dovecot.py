"""A real Dovecot 2.3 on free ports of 127.0.0.1: IMAP, IMAPS, LMTP, and the SASL door that Postfix asks.

Runs as the caller, or, for root, as the system user `mail`. Takes passwords and OAuth2 tokens (JWT).
"""

import base64
import grp
import hashlib
import hmac
import imaplib
import json
import os
import pwd
import shutil
import smtplib
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from bot.bench.servers.running import Running, free_ports, with_new_ports
from bot.bench.servers.tls import Tls
from bot.config import Imap

_ISSUER = "https://login.example.ac.jp"
_TOKEN_KEY = b"a key that only these tests know 0123456789"
_UNPRIVILEGED = "mail"  # every Debian has this user

_CONFIGURATION = """\
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
ssl = yes
ssl_cert = <{directory}/server.pem
ssl_key = <{directory}/server.key
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0 secs
mail_location = maildir:{directory}/mail/%u
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
first_valid_gid = 1
mail_fsync = never
maildir_very_dirty_syncs = yes
mail_max_userip_connections = 100
mailbox_idle_check_interval = 5s
imap_idle_notify_interval = 2 mins
lmtp_save_to_detail_mailbox = no
recipient_delimiter = +
passdb {{
  driver = passwd-file
  mechanisms = plain login
  args = scheme=PLAIN username_format=%u {directory}/users
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {directory}/oauth2.conf.ext
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {directory}/users
  default_fields = uid={user} gid={group} home={directory}/home/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
  }}
}}
service imap {{
  process_limit = 100
}}
service lmtp {{
  user = {user}
  unix_listener lmtp {{
    mode = 0
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp_port}
  }}
}}
service auth {{
  inet_listener {{
    address = 127.0.0.1
    port = {auth_port}
  }}
}}
service stats {{
  chroot =
}}
"""


@dataclass(frozen=True)
class Dovecot:
    """A running server. Everything lies below `directory`; `users` maps each address to its password."""

    directory: Path
    users: dict[str, str]
    tls: Tls
    imap_port: int
    imaps_port: int
    lmtp_port: int
    auth_port: int
    running: Running

    def imap(self, user: str, **changes: object) -> Imap:
        """Settings for `user`'s INBOX over TLS with the password; `changes` replace single values."""
        settings = {
            "host": "127.0.0.1",
            "port": self.imap_port if changes.get("security") in ("starttls", "none") else self.imaps_port,
            "user": user,
            "password_file": None if "token_command" in changes else self.password_file(user),
            "ca_file": self.tls.ca_file,
            "timeout": 10,
        }
        return Imap.model_validate(settings | changes)

    def password_file(self, user: str) -> Path:
        """A file with that user's password, mode 600, owned by whoever runs the tests."""
        return write_secret(self.directory / "secrets" / user, self.users[user])

    def token(self, user: str, *, seconds: int = 600, key: bytes = _TOKEN_KEY) -> str:
        """An OAuth2 access token that holds for `seconds` from now (negative: it ended so long ago)."""
        now = int(time.time())
        claims = {"sub": user, "iss": _ISSUER, "iat": now - 3600, "nbf": now - 3600, "exp": now + seconds}
        head = ".".join(
            _base64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)
        )
        return head + "." + _base64url(hmac.new(key, head.encode(), hashlib.sha256).digest())

    def deliver(self, recipient: str, raw: bytes, *, sender: str = "applicant@example.ac.jp") -> None:
        """Put one mail into a user's INBOX, as a mail server would (LMTP)."""
        with smtplib.LMTP("127.0.0.1", self.lmtp_port, timeout=10) as lmtp:
            lmtp.sendmail(sender, [recipient], raw)

    def mails(self, user: str, folder: str = "INBOX") -> list[bytes]:
        """The raw mails in a folder (ASCII name), oldest first, left unmarked; [] without such a folder."""
        context = ssl.create_default_context(cafile=self.tls.ca_file)
        with imaplib.IMAP4_SSL("127.0.0.1", self.imaps_port, ssl_context=context, timeout=10) as client:
            client.login(user, self.users[user])
            if client.select(f'"{folder}"', readonly=True)[0] != "OK":
                return []
            answer = client.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]
            return [part[1] for part in answer if isinstance(part, tuple)]

    def empty(self, *users: str) -> None:
        """Remove every mail and folder of these users (default: of all), as if they had never been used."""
        for user in users or tuple(self.users):
            shutil.rmtree(self.directory / "mail" / user, ignore_errors=True)

    def stop(self) -> None:
        self.running.stop()


def start_dovecot(directory: Path, users: dict[str, str], tls: Tls, *, program: str = "dovecot") -> Dovecot:
    """Start in `directory` (short: Unix sockets allow about 100 characters). Raises `ServerFault`."""
    return with_new_ports(lambda: _start(directory, users, tls, program))


def _start(directory: Path, users: dict[str, str], tls: Tls, program: str) -> Dovecot:
    owner = pwd.getpwnam(_UNPRIVILEGED) if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    ports = dict(zip(("imap_port", "imaps_port", "lmtp_port", "auth_port"), free_ports(4), strict=True))
    _lay_out(directory, users, tls, owner, ports)
    running = Running(
        [program, "-F", "-c", str(directory / "dovecot.conf")],
        log=directory / "dovecot.log",
        user=owner.pw_name if os.geteuid() == 0 else None,
    )
    running.start(list(ports.values()))
    return Dovecot(directory=directory, users=users, tls=tls, running=running, **ports)


def _lay_out(
    directory: Path, users: dict[str, str], tls: Tls, owner: pwd.struct_passwd, ports: dict[str, int]
) -> None:
    for name in ("run", "state", "mail", "home", "secrets", "keys/default/HS256"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(tls.certificate, directory / "server.pem")
    shutil.copy(tls.key, directory / "server.key")
    (directory / "dovecot.log").touch()
    lines = (f"{address}:{{PLAIN}}{password}::::::\n" for address, password in users.items())
    (directory / "users").write_text("".join(lines), encoding="utf-8")
    (directory / "keys/default/HS256/default").write_bytes(base64.b64encode(_TOKEN_KEY))
    (directory / "oauth2.conf.ext").write_text(
        "introspection_mode = local\n"
        f"local_validation_key_dict = fs:posix:prefix={directory}/keys/\n"
        f"issuers = {_ISSUER}\n"
        "username_attribute = sub\n"
    )
    group = grp.getgrgid(owner.pw_gid).gr_name
    text = _CONFIGURATION.format(directory=directory, user=owner.pw_name, group=group, **ports)
    (directory / "dovecot.conf").write_text(text)
    if os.geteuid() == 0:
        for path in (directory, *directory.rglob("*")):
            if "secrets" not in path.parts:
                os.chown(path, owner.pw_uid, owner.pw_gid)


def write_secret(path: Path, text: str) -> Path:
    """`text` in a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
