"""Delivery reports as the servers of this world write them, about one mail of ours to one person; and what only looks
like one. Forms and fixed sentences are those of the programs; names, addresses and identifiers are ours."""

import base64
from dataclasses import dataclass

MESSAGE_ID = "<0123456789abcdef0123456789abcdef@example.ac.jp>"
HANAKO = "hanako@example.jp"
BOT = "ringi@example.ac.jp"
_RETURNED = f"""\
Received: from mail.example.ac.jp (mail.example.ac.jp [192.0.2.1])
\tby mx.example.jp (Postfix) with ESMTPS id 4ABC; Sun, 22 Nov 2026 10:00:01 +0900 (JST)
Message-ID: {MESSAGE_ID}
In-Reply-To: <77@example.jp>
From: {BOT}
To: {HANAKO}
Subject: =?utf-8?B?44K144O844OQ6Ki85piO5pu4?=
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
"""
_BODY = "\n=E8=A8=BC could not be delivered\n"


@dataclass(frozen=True)
class Sample:
    """`action`: None where it must mark nothing. `says`: a piece of the diagnostic that a person should see."""

    raw: bytes
    action: str | None = "failed"
    status: str = ""
    says: str = ""


def _wire(text: str, charset: str = "utf-8") -> bytes:
    return text.replace("\n", "\r\n").encode(charset)


def _report(
    header: str, text: str, status: str, returned: str = _RETURNED + _BODY, kind: str = "message/rfc822"
) -> str:
    """multipart/report with its three parts (RFC 6522). `text` may begin with its own Content-Type."""
    first = text if text.startswith("Content-") else f"Content-Type: text/plain; charset=us-ascii\n\n{text}"
    parts = [first, f"Content-Type: message/delivery-status\n\n{status}"]
    parts += [f"Content-Type: {kind}\n\n{returned}"] if returned else []
    body = "".join(f"--=_b\n{part}\n" for part in parts)
    return (
        f"{header}To: {BOT}\nDate: Sun, 22 Nov 2026 10:00:05 +0900\nMIME-Version: 1.0\n"
        f'Content-Type: multipart/report; report-type=delivery-status;\n\tboundary="=_b"\n\n'
        f"This is a MIME-encapsulated message.\n\n{body}--=_b--\n"
    )


def _plain(header: str, text: str, charset: str = "us-ascii", encoding: str = "7bit") -> str:
    return (
        f"{header}To: {BOT}\nDate: Sun, 22 Nov 2026 10:00:05 +0900\nMIME-Version: 1.0\n"
        f"Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: {encoding}\n\n{text}"
    )


_POSTFIX_HEADER = """\
Return-Path: <>
From: MAILER-DAEMON@mx.example.jp (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
Message-ID: <20261122.4ABC@mx.example.jp>
"""
_POSTFIX_TEXT = f"""\
This is the mail system at host mx.example.jp.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

For further assistance, please send mail to postmaster.

<{HANAKO}>: host 192.0.2.7[192.0.2.7] said: 550 5.1.1 <{HANAKO}> User
    doesn't exist: {HANAKO} (in reply to RCPT TO command)
"""
_POSTFIX_STATUS = """\
Reporting-MTA: dns; mx.example.jp
X-Postfix-Queue-ID: 4ABC
X-Postfix-Sender: rfc822; ringi@example.ac.jp
Arrival-Date: Sun, 22 Nov 2026 10:00:01 +0900 (JST)

Final-Recipient: rfc822; {final}
{original}Action: {action}
Status: {status}
Remote-MTA: dns; 192.0.2.7
Diagnostic-Code: smtp; {diagnostic}
"""


def postfix(
    action: str = "failed",
    status: str = "5.1.1",
    diagnostic: str = f"550 5.1.1 <{HANAKO}> User doesn't\n    exist: {HANAKO}",
    final: str = HANAKO,
    original: str = f"Original-Recipient: rfc822;{HANAKO}\n",
) -> str:
    fields = _POSTFIX_STATUS.format(
        action=action, status=status, diagnostic=diagnostic, final=final, original=original
    )
    return _report(_POSTFIX_HEADER, _POSTFIX_TEXT, fields)


_QMAIL = f"""\
Hi. This is the qmail-send program at mx.example.jp.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<{HANAKO}>:
192.0.2.9 does not like recipient.
Remote host said: 550 5.1.1 {HANAKO}... User unknown
Giving up on 192.0.2.9.

--- Below this line is a copy of the message.

Return-Path: <{BOT}>
{_RETURNED}{_BODY}"""

_EXIM = f"""\
This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  {HANAKO}
    host mx.example.jp [192.0.2.9]
    SMTP error from remote mail server after RCPT TO:<{HANAKO}>:
    550 5.1.1 Unrouteable address

------ This is a copy of the message, including all the headers. ------

Return-path: <{BOT}>
{_RETURNED}{_BODY}"""

_EXIM_DELAY = f"""\
This message was created automatically by mail delivery software.
A message that you sent has not yet been delivered to one or more of its
recipients after more than 24 hours on the queue on mx.example.jp.

The message identifier is:     1abcde-000123-AB
The subject of the message is: test

The address to which the message has not yet been delivered is:

  {HANAKO}
    Delay reason: SMTP error from remote mail server after RCPT TO:<{HANAKO}>:
    451 4.7.1 Greylisting in action

No action is required on your part. Delivery attempts will continue for
some time, and this warning may be repeated at intervals if the message
remains undelivered. Eventually the mail delivery software will give up,
and when that happens, the message will be returned to you.

Message-ID: {MESSAGE_ID}
"""

_SENDMAIL_TEXT = f"""\
The original message was received at Sun, 22 Nov 2026 10:00:01 +0900
from mail.example.ac.jp [192.0.2.1]

   ----- The following addresses had permanent fatal errors -----
<{HANAKO}>
    (reason: 550 5.1.1 User unknown)

   ----- Transcript of session follows -----
... while talking to mx.example.jp.:
>>> DATA
<<< 550 5.1.1 User unknown
550 5.1.1 <{HANAKO}>... User unknown
"""
_SENDMAIL_OLD = f"""\
{_SENDMAIL_TEXT}
   ----- Unsent message follows -----
{_RETURNED}{_BODY}"""
_SENDMAIL_DELAY = f"""\
    **********************************************
    **      THIS IS A WARNING MESSAGE ONLY      **
    **  YOU DO NOT NEED TO RESEND YOUR MESSAGE  **
    **********************************************

The original message was received at Sun, 22 Nov 2026 10:00:01 +0900

   ----- Transcript of session follows -----
<{HANAKO}>... Deferred: Connection timed out with mx.example.jp.
Warning: message still undelivered after 4 hours
Will keep trying until message is 5 days old
"""

_EXCHANGE_STATUS = f"""\
Reporting-MTA: dns;mail01.corp.example.jp
Received-From-MTA: dns;mail.example.ac.jp
Arrival-Date: Sun, 22 Nov 2026 01:00:01 +0000

Final-Recipient: rfc822;{HANAKO}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp;550 5.1.1 RESOLVER.ADR.RecipNotFound; not found
X-Display-Name: =?iso-2022-jp?B?GyRCMlY7UhsoQg==?=
"""
_M365_STATUS = f"""\
Reporting-MTA: dns;TYXPR01MB0001.jpnprd01.prod.outlook.com
Received-From-MTA: dns;mail.example.ac.jp
Arrival-Date: Sun, 22 Nov 2026 01:00:01 +0000

Final-Recipient: rfc822;{HANAKO}
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient
 {HANAKO} not found by SMTP address lookup
"""
_M365_HTML = base64.encodebytes(
    f"<html><body><p>{HANAKO} に配信できませんでした</p></body></html>".encode()
).decode()

_GMAIL_STATUS = f"""\
Reporting-MTA: dns; googlemail.com
Received-From-MTA: dns; {BOT}
Arrival-Date: Sat, 21 Nov 2026 17:00:01 -0800 (PST)
X-Original-Message-ID: {MESSAGE_ID}

Final-Recipient: rfc822; {HANAKO}
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.example.jp. (192.0.2.9, the server for the domain example.jp.)
Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist. Please try
 550-5.1.1 double-checking the recipient's email address for typos or
 550 5.1.1 unnecessary spaces. d9443c01a7336 - gsmtp
Last-Attempt-Date: Sat, 21 Nov 2026 17:00:02 -0800 (PST)
"""

_YAHOO = f"""\
Message from yahoo.co.jp.
Unable to deliver message to the following address(es).

<{HANAKO}>:
This user doesn't have a yahoo.co.jp account ({HANAKO}) [0]

--- Original message follows.

Return-Path: <{BOT}>
{_RETURNED}{_BODY}"""

_DOMINO_TEXT = f"""\
Your message

  Subject: test

was not delivered to:

  {HANAKO}

because:

  User hanako ({HANAKO}) not listed in Domino Directory

"""
_DOMINO_JAPANESE = f"""\
次の宛先へのメールは、配信できませんでした。

  {HANAKO}

理由: 宛先のユーザーは Domino ディレクトリには見つかりません

"""

_REJECT = f"""\
X-Sieve: Pigeonhole Sieve 0.5.19
Message-ID: <dovecot-sieve-1-1@mx.example.jp>
Date: Sun, 22 Nov 2026 10:00:05 +0900
From: Postmaster <postmaster@mx.example.jp>
To: <{BOT}>
Subject: Automatically rejected mail
Auto-Submitted: {{auto}}
Precedence: bulk
MIME-Version: 1.0
Content-Type: multipart/report; report-type=disposition-notification;
 boundary="77/mx.example.jp"

This is a MIME-encapsulated message

--77/mx.example.jp
Content-Type: text/plain; charset=utf-8
Content-Disposition: inline
Content-Transfer-Encoding: 8bit

{{text}}
--77/mx.example.jp
Content-Type: message/disposition-notification

Reporting-UA: mx.example.jp; Dovecot Mail Delivery Agent
Final-Recipient: rfc822; {HANAKO}
Original-Message-ID: {MESSAGE_ID}
Disposition: {{disposition}}

--77/mx.example.jp
Content-Type: message/rfc822

{_RETURNED}
--77/mx.example.jp--
"""

_DOVECOT_QUOTA_STATUS = f"""\
Reporting-MTA: dns; mx.example.jp
Original-Recipient: rfc822; {HANAKO}
Final-Recipient: rfc822; {HANAKO}
Action: failed
Status: 5.2.2
"""

_COURIER_STATUS = f"""\
Reporting-MTA: dns; mx.example.jp
Arrival-Date: Sun, 22 Nov 2026 10:00:01 +0900
Received-From-MTA: dns; mail.example.ac.jp [192.0.2.1]

Final-Recipient: rfc822; {HANAKO}
Action: failed
Status: 5.0.0
Remote-MTA: dns; mx.example.jp [192.0.2.9]
Diagnostic-Code: smtp; 550 5.1.1 {HANAKO}... User Unknown
"""
_COURIER_TEXT = f"""\
This is a delivery status notification from mx.example.jp,
running the Courier mail server, version 1.0.

The original message was received on Sun, 22 Nov 2026 10:00:01 +0900
from mail.example.ac.jp [192.0.2.1]

---------------------------------------------------------------------------

                           UNDELIVERABLE MAIL

Your message to the following recipients cannot be delivered:

<{HANAKO}>:
    mx.example.jp [192.0.2.9]:
<<< 550 5.1.1 {HANAKO}... User Unknown
"""

_BARRACUDA_TEXT = f"""\
This is an automated response from the Barracuda Email Security Gateway at
gate.example.jp. The following message to <{HANAKO}> was undeliverable.
The reason for the problem:
5.1.0 - Unknown address error 550-'5.1.1 <{HANAKO}>: Recipient address rejected'
"""
_IRONPORT_STATUS = f"""\
Reporting-MTA: dns; gate.example.jp

Final-Recipient: rfc822;{HANAKO}
Action: failed
Status: 5.0.0 (permanent failure)
Remote-MTA: dns; [192.0.2.9]
Diagnostic-Code: smtp; 5.1.0 - Unknown address error 550-'5.1.1 Recipient address rejected' (delivery attempts: 0)
"""

_ICLOUD_TEXT = f"""\
This report relates to a message you sent with the following header fields:

  Message-id: {MESSAGE_ID}
  Date: Sun, 22 Nov 2026 10:00:01 +0900
  From: {BOT}
  To: {HANAKO}
  Subject: test

Your message cannot be delivered to the following recipients:

  Recipient address: {HANAKO}
  Reason: over quota
"""
_ICLOUD_STATUS = f"""\
Reporting-MTA: dns;pv50p00im.me.example.jp (tcp-daemon)
Arrival-date: Sun, 22 Nov 2026 01:00:01 +0000 (GMT)

Original-recipient: rfc822;{HANAKO}
Final-recipient: rfc822;{HANAKO}
Action: failed
Status: 5.2.2 (over quota)
"""

_EXCHANGE_55 = f"""\
Your message did not reach some or all of the intended recipients.

      Subject:  test
      Sent:     11/22/2026 10:00 AM

The following recipient(s) could not be reached:

      '{HANAKO}' on 11/22/2026 10:00 AM
            The recipient name is not recognized
"""

_PROVIDER_JAPANESE = f"""\
次のあて先へのメールは届きませんでした。
あて先のメールアドレスが存在しません。ご確認ください。

宛先: {HANAKO}
理由: 550 Unknown user {HANAKO}

------ 以下は送信されたメールです ------

{_RETURNED}"""


def _daemon(subject: str, sender: str = "MAILER-DAEMON@mx.example.jp", more: str = "") -> str:
    return f"Return-Path: <>\nFrom: {sender}\nSubject: {subject}\nMessage-ID: <r1@mx.example.jp>\n{more}"


def _mixed(header: str, text: str, charset: str) -> str:
    """A text and the returned mail, without fields for machines."""
    return (
        f"{header}To: {BOT}\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
        f"--b\nContent-Type: text/plain; charset={charset}\n\n{text}\n"
        f"--b\nContent-Type: message/rfc822\n\n{_RETURNED}{_BODY}\n--b--\n"
    )


_HTML_PART = f"Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n{_M365_HTML}"

# what must mark the row
REPORTS = {
    "postfix": Sample(_wire(postfix()), status="5.1.1", says="User doesn't exist"),
    "postfix given up": Sample(
        _wire(postfix(status="4.4.1", diagnostic="connect to mx.example.jp: Connection timed out")),
        status="4.4.1",
        says="Connection timed out",
    ),
    "postfix, in UTF-8": Sample(
        _wire(postfix().replace("message/delivery-status", "message/global-delivery-status")), status="5.1.1"
    ),
    "postfix returning headers": Sample(
        _wire(
            _report(_POSTFIX_HEADER, _POSTFIX_TEXT, _DOVECOT_QUOTA_STATUS, _RETURNED, "text/rfc822-headers")
        ),
        status="5.2.2",
    ),
    "sendmail": Sample(
        _wire(
            _report(
                _daemon(
                    "Returned mail: see transcript for details", "Mail Delivery Subsystem <MAILER-DAEMON>"
                ),
                _SENDMAIL_TEXT,
                f"Reporting-MTA: dns; mx.example.jp\n\nFinal-Recipient: RFC822; {HANAKO}\nAction: failed\n"
                "Status: 5.1.1\nDiagnostic-Code: SMTP; 550 5.1.1 User unknown\n",
            )
        ),
        status="5.1.1",
        says="User unknown",
    ),
    "sendmail 8.6": Sample(
        _wire(_plain(_daemon("Returned mail: User unknown"), _SENDMAIL_OLD)),
        status="5.1.1",
        says="User unknown",
    ),
    "exim": Sample(
        _wire(
            _plain(
                _daemon(
                    "Mail delivery failed: returning message to sender",
                    "Mail Delivery System <Mailer-Daemon@mx.example.jp>",
                    f"X-Failed-Recipients: {HANAKO}\nAuto-Submitted: auto-replied\n",
                ),
                _EXIM,
            )
        ),
        status="5.1.1",
        says="Unrouteable address",
    ),
    "qmail": Sample(_wire(_plain(_daemon("failure notice"), _QMAIL)), status="5.1.1", says="Giving up"),
    "yahoo": Sample(
        _wire(_plain(_daemon("Failure Notice"), _YAHOO)), says="doesn't have a yahoo.co.jp account"
    ),
    "exchange": Sample(
        _wire(
            _report(
                _daemon("=?iso-2022-jp?B?GyRCR1s/LiRHJC0kXiQ7JHMbKEI=?=: test", "postmaster@corp.example.jp"),
                _HTML_PART,
                _EXCHANGE_STATUS,
            )
        ),
        status="5.1.1",
        says="RecipNotFound",
    ),
    "exchange 5.5": Sample(
        _wire(
            _mixed(
                _daemon("Undeliverable: test", "System Administrator <postmaster@corp.example.jp>"),
                _EXCHANGE_55,
                "us-ascii",
            )
        ),
        says="not recognized",
    ),
    "microsoft 365": Sample(
        _wire(
            _report(
                _daemon(
                    "=?utf-8?B?6YWN5L+h5LiN6IO9?=: test",
                    "Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.jp>",
                    f"In-Reply-To: {MESSAGE_ID}\nReferences: {MESSAGE_ID}\nAuto-Submitted: auto-replied\n",
                ),
                _HTML_PART,
                _M365_STATUS,
                returned="",
            )
        ),
        status="5.1.10",
        says="not found by SMTP address lookup",
    ),
    "gmail": Sample(
        _wire(
            _report(
                _daemon(
                    "Delivery Status Notification (Failure)",
                    "Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
                    f"X-Failed-Recipients: {HANAKO}\nAuto-Submitted: auto-replied\nReferences: {MESSAGE_ID}\n",
                ),
                "** Address not found **\n",
                _GMAIL_STATUS,
                returned="",
            )
        ),
        status="5.1.1",
        says="does not exist",
    ),
    "domino": Sample(
        _wire(
            _report(
                _daemon(
                    "DELIVERY FAILURE: User hanako not listed in Domino Directory", "Postmaster@example.jp"
                ),
                _DOMINO_TEXT,
                f"Reporting-MTA: dns;domino.example.jp\n\nFinal-Recipient: rfc822;{HANAKO}\nAction: failed\n"
                "Status: 5.1.1\nDiagnostic-Code: X-Notes; User hanako not listed in Domino Directory\n",
            )
        ),
        status="5.1.1",
        says="not listed in Domino Directory",
    ),
    "domino, without fields": Sample(
        _wire(_mixed(_daemon("DELIVERY FAILURE", "Postmaster@example.jp"), _DOMINO_TEXT, "us-ascii")),
        says="not listed in Domino Directory",
    ),
    "domino, in Japanese": Sample(
        _wire(
            _mixed(_daemon("DELIVERY FAILURE", "Postmaster@example.jp"), _DOMINO_JAPANESE, "shift_jis"),
            "cp932",
        ),
        says="見つかりません",
    ),
    "dovecot, mailbox full": Sample(
        _wire(
            _report(
                _daemon(
                    "Rejected: test",
                    "Mail Delivery Subsystem <postmaster@mx.example.jp>",
                    "Auto-Submitted: auto-replied (rejected)\nPrecedence: bulk\n",
                ),
                f"Your message to <{HANAKO}> was automatically rejected:\nQuota exceeded\n",
                _DOVECOT_QUOTA_STATUS,
            )
        ),
        status="5.2.2",
    ),
    "sieve reject": Sample(
        _wire(
            _REJECT.format(
                auto="auto-replied (rejected)",
                text=f"Your message to <{HANAKO}> was automatically rejected:\nこの人は退職しました",
                disposition="automatic-action/MDN-sent-automatically; deleted",
            )
        ),
        says="この人は退職しました",
    ),
    "courier": Sample(
        _wire(
            _report(
                _daemon(
                    "NOTICE: mail delivery status.", '"Courier mail server" <MAILER-DAEMON@mx.example.jp>'
                ),
                _COURIER_TEXT,
                _COURIER_STATUS,
                _RETURNED,
                "text/rfc822-headers; charset=us-ascii",
            )
        ),
        status="5.0.0",
        says="User Unknown",
    ),
    "barracuda": Sample(
        _wire(_mixed(_daemon("Undeliverable", "postmaster@gate.example.jp"), _BARRACUDA_TEXT, "utf-8")),
        status="5.1.0",
        says="Unknown address error",
    ),
    "ironport": Sample(
        _wire(_report(_daemon("Delivery Status Notification (Failure)"), _BARRACUDA_TEXT, _IRONPORT_STATUS)),
        status="5.0.0",
        says="Recipient address rejected",
    ),
    "icloud": Sample(
        _wire(
            _report(
                _daemon(
                    "Delivery Notification: Delivery has failed",
                    "Internet Mail Delivery <postmaster@example.jp>",
                ),
                _ICLOUD_TEXT,
                _ICLOUD_STATUS,
                returned="",
            )
        ),
        status="5.2.2",
    ),
    "icloud, its text alone": Sample(
        _wire(
            _plain(
                _daemon("Delivery Notification", "Internet Mail Delivery <postmaster@example.jp>"),
                _ICLOUD_TEXT,
            )
        ),
        says="over quota",
    ),
    "a provider in Japanese": Sample(
        _wire(
            _plain(
                _daemon("Mail System Error - Returned Mail", "Postmaster@mobile.example.jp"),
                _PROVIDER_JAPANESE,
                "iso-2022-jp",
            ),
            "iso-2022-jp",
        ),
        says="Unknown user",
    ),
    "postfix, delayed": Sample(
        _wire(postfix("delayed", "4.4.1", "connect to mx.example.jp: Connection refused")), "delayed", "4.4.1"
    ),
    "exim, delayed": Sample(
        _wire(
            _plain(
                _daemon(
                    "Warning: message 1abcde-000123-AB delayed 24 hours",
                    "Mail Delivery System <Mailer-Daemon@mx.example.jp>",
                    "Auto-Submitted: auto-replied\n",
                ),
                _EXIM_DELAY,
            )
        ),
        "delayed",
        "4.7.1",
    ),
    "sendmail, delayed": Sample(
        _wire(
            _report(
                _daemon("Warning: could not send message for past 4 hours"),
                _SENDMAIL_DELAY,
                f"Reporting-MTA: dns; mx.example.jp\n\nFinal-Recipient: RFC822; {HANAKO}\nAction: delayed\n"
                "Status: 4.4.1\nWill-Retry-Until: Fri, 27 Nov 2026 10:00:01 +0900\n",
            )
        ),
        "delayed",
        "4.4.1",
    ),
    "postfix, delivered": Sample(_wire(postfix("delivered", "2.0.0", "250 2.0.0 Ok")), "delivered", "2.0.0"),
    "postfix, relayed": Sample(_wire(postfix("relayed", "2.0.0", "250 2.0.0 Ok")), "relayed", "2.0.0"),
}

_REPLY = f"Subject: Re: test\nIn-Reply-To: {MESSAGE_ID}\nReferences: {MESSAGE_ID}\n"
_QUOTE = f"> From: {BOT}\n> To: {HANAKO}\n> Message-ID: {MESSAGE_ID}\n> could not be delivered\n"

# what must not
OTHERS = {
    "out of office": Sample(
        _wire(
            _plain(
                f"From: {HANAKO}\nAuto-Submitted: auto-replied\nX-Auto-Response-Suppress: All\n{_REPLY}",
                f"I am away; your message could not be delivered to me in person. {HANAKO}\n\n{_QUOTE}",
            )
        ),
        None,
    ),
    "vacation of sieve": Sample(
        _wire(
            _plain(
                f"Return-Path: <>\nFrom: {HANAKO}\nAuto-Submitted: auto-replied (vacation)\nPrecedence: bulk\n{_REPLY}",
                "夏季休暇中のため、返信が遅れて届きます。配信できませんでした、ではありません。\n",
                "utf-8",
                "8bit",
            )
        ),
        None,
    ),
    "不在通知": Sample(
        _wire(
            _plain(
                f"From: {HANAKO}\nX-Autoreply: yes\n{_REPLY}",
                f"本人は不在です。届きませんでした。\n{_QUOTE}",
                "utf-8",
            )
        ),
        None,
    ),
    "read receipt": Sample(
        _wire(
            _REJECT.format(
                auto="auto-replied",
                text="Your message was displayed.",
                disposition="manual-action/MDN-sent-manually; displayed",
            ).replace("postmaster@mx.example.jp", HANAKO)
        ),
        None,
    ),
    "deleted without being read": Sample(
        _wire(
            _REJECT.format(
                auto="auto-generated",
                text="Your message was deleted without being read.",
                disposition="automatic-action/MDN-sent-automatically; deleted",
            ).replace("postmaster@mx.example.jp", HANAKO)
        ),
        None,
    ),
    "feedback on abuse": Sample(
        _wire(
            _daemon("complaint", "abuse@example.jp") + f"To: {BOT}\nMIME-Version: 1.0\n"
            "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n"
            "--b\nContent-Type: text/plain\n\nThis is an email abuse report.\n"
            f"--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nOriginal-Rcpt-To: {HANAKO}\n"
            f"--b\nContent-Type: message/rfc822\n\n{_RETURNED}\n--b--\n"
        ),
        None,
    ),
    "a person who quotes a report": Sample(
        _wire(_plain(f"From: {HANAKO}\n{_REPLY}", f"Look what I got:\n\n{_QMAIL}")), None
    ),
    "a person who attaches a report": Sample(
        _wire(
            f"From: {HANAKO}\n{_REPLY}To: {BOT}\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
            f"--b\nContent-Type: text/plain\n\nsee below\n--b\nContent-Type: message/rfc822\n\n{postfix()}\n--b--\n"
        ),
        None,
    ),
    "a person who forwards its parts": Sample(
        _wire(
            f"From: {HANAKO}\n{_REPLY}"
            + _report("", "see below", _DOVECOT_QUOTA_STATUS).replace(
                "multipart/report; report-type=delivery-status", "multipart/mixed"
            )
        ),
        None,
    ),
    "a list's welcome": Sample(
        _wire(
            _plain(f"From: postmaster@example.jp\nList-Id: <l.example.jp>\n{_REPLY}", "Welcome to the list\n")
        ),
        None,
    ),
}
