"""A real Postfix on free ports of 127.0.0.1 that delivers to the test Dovecot by LMTP. Root must start it."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bot.bench.servers.dovecot import Dovecot
from bot.bench.servers.running import Running, free_ports, with_new_ports
from bot.bench.servers.tls import Tls
from bot.config import Smtp

# known to Postfix but not to Dovecot: taken at RCPT, then returned by a real delivery report
GHOST = "ghost@example.ac.jp"

_MAIN = """\
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/state
maillog_file = {directory}/postfix.log
maillog_file_prefixes = {directory}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.example.ac.jp
mydestination =
mynetworks = 127.0.0.0/8
smtp_bind_address = 127.0.0.1
default_transport = error:5.1.2 there is no mail outside example.ac.jp here
relay_transport = $default_transport
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = example.ac.jp
virtual_mailbox_maps = texthash:{directory}/conf/addresses
virtual_transport = lmtp:inet:127.0.0.1:{lmtp_port}
lmtp_destination_concurrency_limit = 8
lmtp_host_lookup = native
smtp_host_lookup = native
recipient_delimiter = +
message_size_limit = 30000000
biff = no
smtpd_tls_cert_file = {directory}/conf/server.pem
smtpd_tls_key_file = {directory}/conf/server.key
smtpd_tls_security_level = may
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{auth_port}
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
in_flow_delay = 0
"""

_MASTER = """\
127.0.0.1:{smtp_port} inet n - n - - smtpd
127.0.0.1:{submission_port} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
127.0.0.1:{smtps_port} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

# owned by Postfix alone; the others have their own rules
_QUEUES = ("active", "bounce", "defer", "deferred", "flush", "hold", "incoming", "private", "trace")


@dataclass(frozen=True)
class Postfix:
    """A running server: port 25's counterpart, 587's (STARTTLS and login) and 465's (TLS and login)."""

    directory: Path
    dovecot: Dovecot
    tls: Tls
    smtp_port: int
    submission_port: int
    smtps_port: int
    running: Running

    def smtp(self, user: str, **changes: object) -> Smtp:
        """Settings to send as `user` over TLS with the password; `changes` replace single values."""
        ports = {"starttls": self.submission_port, "none": self.smtp_port}
        settings = {
            "host": "127.0.0.1",
            "port": ports.get(str(changes.get("security")), self.smtps_port),
            "user": user,
            "password_file": None if "token_command" in changes else self.dovecot.password_file(user),
            "ca_file": self.tls.ca_file,
            "timeout": 10,
        }
        return Smtp.model_validate(settings | changes)

    def stop(self) -> None:
        self.running.stop()


@dataclass(frozen=True)
class MailServers:
    """Where mail comes in and goes out, together."""

    dovecot: Dovecot
    postfix: Postfix


def start_postfix(directory: Path, addresses: list[str], dovecot: Dovecot, tls: Tls) -> Postfix:
    """Start in `directory`, taking mail for `addresses` (and each address+detail). Raises `ServerFault`."""
    return with_new_ports(lambda: _start(directory, addresses, dovecot, tls))


def _start(directory: Path, addresses: list[str], dovecot: Dovecot, tls: Tls) -> Postfix:
    ports = dict(zip(("smtp_port", "submission_port", "smtps_port"), free_ports(3), strict=True))
    _lay_out(directory, addresses, dovecot, tls, ports)
    _make_queues(directory / "queue")
    shutil.chown(directory / "state", _setting("mail_owner"))
    # `postfix start` would check and repair the installation first, which takes two seconds
    running = Running(
        [f"{_setting('daemon_directory')}/master", "-c", str(directory / "conf"), "-d"],
        log=directory / "postfix.log",
    )
    running.start(list(ports.values()))
    return Postfix(directory=directory, dovecot=dovecot, tls=tls, running=running, **ports)


def _lay_out(
    directory: Path, addresses: list[str], dovecot: Dovecot, tls: Tls, ports: dict[str, int]
) -> None:
    conf = directory / "conf"
    for folder in (conf, directory / "queue", directory / "state"):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(tls.certificate, conf / "server.pem")
    shutil.copy(tls.key, conf / "server.key")
    (conf / "addresses").write_text("".join(f"{address} x\n" for address in (*addresses, GHOST)))
    (conf / "main.cf").write_text(
        _MAIN.format(directory=directory, lmtp_port=dovecot.lmtp_port, auth_port=dovecot.auth_port)
    )
    (conf / "master.cf").write_text(_MASTER.format(**ports))
    # which file of a Debian package holds which kind of map
    if os.path.exists("/etc/postfix/dynamicmaps.cf"):
        shutil.copy("/etc/postfix/dynamicmaps.cf", conf)
    # Postfix waits for over a second before it trusts a file that was written just now
    for path in conf.iterdir():
        os.utime(path, (0, 0))


def _make_queues(queue: Path) -> None:
    owner, group = _setting("mail_owner"), _setting("setgid_group")
    for name in _QUEUES:
        (queue / name).mkdir(mode=0o700, exist_ok=True)
        shutil.chown(queue / name, owner)
    (queue / "pid").mkdir(exist_ok=True)
    for name, mode in (("maildrop", 0o1730), ("public", 0o710)):
        (queue / name).mkdir(exist_ok=True)
        shutil.chown(queue / name, owner, group)
        (queue / name).chmod(mode)


def _setting(name: str) -> str:
    done = subprocess.run(["postconf", "-d", "-h", name], capture_output=True, text=True, check=True)
    return done.stdout.strip()
