#!/usr/bin/python3
"""requiretls_test.py POSTERN [TEST...] - what a message itself asks of TLS is kept on its way: RFC 8689.

A gateway, signed and unsigned zones, and servers at addresses of loopback of their own that offer REQUIRETLS or do not,
and write down what MAIL said. Each promise is a TAP test.
"""
import json
import os
import re
import ssl
import sys

import gateway
from counting import Counting, Session
from destinations import Report, must
from gateway import LOCAL, Client, Gateway, Listener, pki, trusting, wait_for
from policy_world import Page, PolicyHosts

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peers"))
from peer import Absent  # noqa: E402
from zones import SECURE, SOA, Zones  # noqa: E402

PROGRAM = gateway.take_program()
ZONE, UNSIGNED = "secure.example", "insecure.example"
SENDER = f"sender@{LOCAL}"
HOSTS = {"good": "127.0.94.1", "plain": "127.0.94.2", "clear": "127.0.94.3", "strange": "127.0.94.4",
         "early": "127.0.94.5", "down": "127.0.94.9"}
LISTS_ONE = f"version: STSv1\nmode: testing\nmx: good.{UNSIGNED}\nmax_age: 86400\n"
CONTENT = b"Subject: secret\r\nMessage-ID: <1@test>\r\n\r\nonly for you\r\n"


class Noting(Session):
    """Offers REQUIRETLS as its server is told to, and keeps each MAIL."""

    def take_ehlo(self, _):
        inside = isinstance(self.socket, ssl.SSLSocket)
        words = ["noting.test", "8BITMIME", "DSN"]
        if not inside and self.server.has_tls:
            words.append("STARTTLS")
        if self.server.offers == "always" or (self.server.offers == "inside") == inside and self.server.offers:
            words.append("REQUIRETLS")
        self.say("\r\n".join(f"250-{word}" for word in words) + "\r\n250 PIPELINING")

    def take_mail(self, line):
        self.server.mails.append((line, isinstance(self.socket, ssl.SSLSocket)))
        self.recipients = []
        self.say("250 2.1.0 Fine")


class Host(Counting):
    """offers: REQUIRETLS, "inside" TLS as it should, "outside" it alone, or never (None)."""

    sessions_are = Noting

    def __init__(self, world, address, offers=None, has_tls=True, identity=None):
        self.offers, self.has_tls, self.mails = offers, has_tls, []
        super().__init__(world, trouble=0, slowness_s=0, identity=identity, address=address)


def records(zone):
    lines = [SECURE if zone == f"{ZONE}." else SOA]
    lines += [f"{name} 60 IN A {address}" for name, address in HOSTS.items()]
    lines += [f"to{name} 60 IN MX 10 {name}" for name in HOSTS]
    for name in ("togood", "toplain"):
        if zone != f"{ZONE}.":
            lines += [f"_mta-sts.{name} 60 IN TXT \"v=STSv1; id=1\"", f"mta-sts.{name} 60 IN A 127.0.0.1"]
    lines += ["both 60 IN MX 10 plain", "both 60 IN MX 20 good", "maybe 60 IN MX 10 down", "maybe 60 IN MX 20 plain",
              "other 60 IN MX 10 plain", "other 60 IN MX 20 down"]
    return "\n".join(lines) + "\n"


class TwoZones(Zones):
    def child_zone(self, zone, text, **dates):
        super().child_zone(zone, records(zone) if zone == f"{ZONE}." else text, **dates)

    def make(self):
        super().make()
        with open(self.zones[f"{UNSIGNED}."], "w", encoding="ascii") as file:
            file.write(f"$ORIGIN {UNSIGNED}.\n$TTL 60\n" + records(f"{UNSIGNED}."))


def policies(port):
    return f"""client {{ port = {port} }}
queue {{ retry = {{ 1s }} }}
policy "default" {{ level = may }}
policy "tostrange.{ZONE}" {{ level = verify }}
policy "toclear.{ZONE}" {{ level = encrypt }}
"""


class Place(gateway.Place):
    """The zones, the hosts, and a gateway that finds them and has the sender's mailbox."""

    def __init__(self):
        super().__init__(Gateway(PROGRAM, listeners=[Listener("may"), Listener("none")], relay_from=("127.0.0.0/8",)))
        world, self.hosts = self.one.world, {}
        with self.closed_on_failure():
            self.zones = self.keep(TwoZones("nsd"))
            names = {"names": (f"*.{ZONE}", f"*.{UNSIGNED}")}
            strange = pki.issue(world.stranger, **names).with_chain(world.stranger)
            self.port = gateway.free_port(*HOSTS.values())
            for name, offers in (("good", "inside"), ("plain", None), ("clear", "outside"), ("strange", "inside"),
                                 ("early", "outside")):
                self.add_host(name, offers, strange if name == "strange" else world.leaf(**names), name != "clear")
            self.one.more = self.dns() + policies(self.port)
            self.one.start()

    def add_host(self, name, offers, identity, has_tls=True):
        host = Host(self.one.world, (HOSTS[name], self.port), offers, has_tls=has_tls, identity=identity)
        self.hosts[name] = self.keep(host)
        return host

    def dns(self):
        return f'dns {{ resolver = "127.0.0.1:{self.zones.port}" trust_anchor = "{self.zones.trust_anchor}" }}\n'

    def send(self, recipient, parameters=" REQUIRETLS", content=CONTENT, sender=SENDER):
        with Client(self.one.port("may")) as client:
            client.starttls(trusting(self.one))
            client.envelope(sender, recipient, parameters=parameters)
            answer = client.data(content)
            must(answer.code == 250, f"{answer}")
            client.quit()
        return re.search(r"\b([0-9a-z]{13})\b", answer.text).group(1)

    def ended(self, recipient, event, **fields):
        return self.one.wait_log(event, to=f"<{recipient}>", **fields)

    def report(self):
        """The one on which the sender hears."""
        path = wait_for("a report", lambda: self.one.files("sender") or None)[0]
        report = Report(path)
        with open(path, encoding="utf-8") as file:
            report.text = file.read()
        return report

    def mails(self, name):
        return [line for line, _ in self.hosts[name].mails]

    def comes_back(self, recipient, code, finding):
        """Nobody gets it, and its sender hears why."""
        self.send(recipient)
        line = self.ended(recipient, "bounced")
        must((line["code"], line["finding"]) == (code, finding), f"{line}")
        report = self.report()
        must(report.about["Status"] == code, f"{report.about}")
        must(finding in report.words, report.words)
        must(not any(host.mails for host in self.hosts.values()), "a server was told of it")


# ---- the server ------------------------------------------------------------------------------------------------------

def it_is_taken_inside_tls_alone():
    with Gateway(PROGRAM, listeners=[Listener("may"), Listener("implicit"), Listener("none")]) as one:
        with Client(one.port("may")) as client:
            must("REQUIRETLS" not in client.command("EHLO client.test").text, "it is offered in the clear")
            reply = client.command(f"MAIL FROM:<{SENDER}> REQUIRETLS")
            must((reply.code, reply.enhanced) == (530, "5.7.10"), f"{reply}")
            client.expect("STARTTLS", 220)
            client.secure(trusting(one))
            must("REQUIRETLS" in client.command("EHLO client.test").text, "it is not offered inside TLS")
            reply = client.command(f"MAIL FROM:<{SENDER}> REQUIRETLS=1")
            must((reply.code, reply.enhanced) == (501, "5.5.4"), f"{reply}")
            client.expect(f"MAIL FROM:<{SENDER}> REQUIRETLS", 250)
        with Client(one.port("none")) as client:
            client.expect("EHLO client.test", 250)
            reply = client.command(f"MAIL FROM:<{SENDER}> REQUIRETLS")
            must((reply.code, reply.enhanced) == (555, "5.5.4"), f"{reply}")


def a_mailbox_of_our_own_takes_it():
    with Gateway(PROGRAM) as one:
        with Client(one.port("may")) as client:
            client.starttls(trusting(one))
            client.envelope(SENDER, f"ann@{LOCAL}", parameters=" REQUIRETLS")
            must(client.data(CONTENT).code == 250, "it is not taken")
        one.one("ann")
        must(one.wait_log("accepted", to=f"<ann@{LOCAL}>")["wish"] == "requiretls", "the log does not tell")


# ---- onward ----------------------------------------------------------------------------------------------------------

def it_is_said_to_a_host_that_offers_it():
    with Place() as place:
        number = place.send(f"a@togood.{ZONE}")
        place.ended(f"a@togood.{ZONE}", "delivered")
        must(len(place.mails("good")) == 1 and "REQUIRETLS" in place.mails("good")[0].split(), f"{place.mails('good')}")
        wait_for("its story", lambda: "REQUIRETLS" in place.one.run("track", "--id", number, "-c",
                                                                    place.one.settings_file, status=(0, 1)) or None)


def the_next_host_gets_it_where_the_first_lacks_it():
    with Place() as place:
        place.send(f"a@both.{ZONE}")
        place.ended(f"a@both.{ZONE}", "delivered")
        must(len(place.mails("good")) == 1 and not place.mails("plain"), f"{place.mails('plain')}")
        place.send(f"b@both.{ZONE}", parameters="")
        place.ended(f"b@both.{ZONE}", "delivered")
        must(place.mails("plain") and "REQUIRETLS" not in place.mails("plain")[0], f"{place.mails('plain')}")


def it_comes_back_from_a_host_that_does_not_offer_it():
    with Place() as place:
        place.comes_back(f"a@toplain.{ZONE}", "5.7.30", "requiretls-not-offered")


def an_offer_in_the_clear_does_not_count():
    with Place() as place:
        place.comes_back(f"a@toearly.{ZONE}", "5.7.30", "requiretls-not-offered")


def it_comes_back_where_anybody_may_have_named_the_host():
    with Place() as place:
        place.comes_back(f"a@togood.{UNSIGNED}", "5.7.30", "requiretls-host-insecure")
        must(place.hosts["good"].sessions == 0, "it was dialled for nothing")
        place.send(f"b@togood.{UNSIGNED}", parameters="")
        place.ended(f"b@togood.{UNSIGNED}", "delivered")


def a_policy_that_lists_the_host_vouches_for_it():
    """Also in mode testing: that its owner names this host is as sure as in mode enforce."""
    with Place() as place:
        web = PolicyHosts(place.one.world)
        try:
            place.one.more = place.dns() + policies(place.port).replace("client {", f"client {{ sts_port = {web.port} private_addresses = yes")
            must(place.one.reload()["event"] == "reloaded", place.one.said())
            for name in ("togood", "toplain"):  # one policy for both, and it lists one host
                web.put(f"{name}.{UNSIGNED}", Page(LISTS_ONE))
            place.send(f"a@togood.{UNSIGNED}")
            place.ended(f"a@togood.{UNSIGNED}", "delivered")
            must("REQUIRETLS" in place.mails("good")[0], f"{place.mails('good')}")
            place.send(f"a@toplain.{UNSIGNED}")
            line = place.ended(f"a@toplain.{UNSIGNED}", "bounced")
            must(line["finding"] == "requiretls-host-insecure", f"{line}")
        finally:
            web.stop()


def it_comes_back_where_there_is_no_tls():
    with Place() as place:
        place.comes_back(f"a@toclear.{ZONE}", "5.7.10", "starttls-not-offered")


def it_comes_back_where_the_certificate_is_nobodys_we_know():
    with Place() as place:
        place.send(f"a@tostrange.{ZONE}")
        line = place.ended(f"a@tostrange.{ZONE}", "bounced")
        must(line["code"].startswith("5.7.") and line["finding"].startswith("certificate-"), f"{line}")
        must(not place.mails("strange"), "it was sent all the same")


def a_host_that_is_down_may_be_the_one_that_offers_it():
    """And then the message waits, whatever the others lack, in whatever order they were tried."""
    with Place() as place:
        for recipient in (f"a@maybe.{ZONE}", f"a@other.{ZONE}"):
            place.send(recipient)
            place.ended(recipient, "deferred")
        listed = place.one.run("queue", "list", "--json", "-c", place.one.settings_file)
        must(all(json.loads(line)["requires_tls"] for line in listed.splitlines()), listed)
        host = place.add_host("down", "inside", place.one.world.leaf(names=(f"*.{ZONE}",)))
        for recipient in (f"a@maybe.{ZONE}", f"a@other.{ZONE}"):
            place.ended(recipient, "delivered")
        must(len(host.mails) == 2 and all("REQUIRETLS" in line for line, _ in host.mails), f"{host.mails}")
        must(not place.mails("plain"), f"{place.mails('plain')}")


def it_is_known_again_after_a_crash():
    with Place() as place:
        number = place.send(f"a@todown.{ZONE}")
        place.one.kill()
        place.one.start()
        shown = place.one.run("queue", "show", number, "-c", place.one.settings_file)
        must("REQUIRETLS" in shown, shown)
        place.add_host("down", "inside", place.one.world.leaf(names=(f"*.{ZONE}",)))
        place.ended(f"a@todown.{ZONE}", "delivered")
        must("REQUIRETLS" in place.mails("down")[0], f"{place.mails('down')}")


def one_gateway_passes_it_to_another_from_a_program_here_to_a_mailbox_there():
    with Place() as place:
        there = Gateway(PROGRAM, listeners=[Listener("may", [place.one.world.leaf(names=(f"*.{ZONE}",))],
                                                     address=HOSTS["down"])], domains=(f"todown.{ZONE}",))
        there.listeners[0].port = place.port
        with there:
            place.one.run("send", "-c", place.one.settings_file, "--require-tls", "-f", SENDER, f"ann@todown.{ZONE}",
                          stdin=None, input="Subject: x\n\nhello\n")
            line = there.wait_log("accepted", to=f"<ann@todown.{ZONE}>")
            must(line["wish"] == "requiretls", f"{line}")
            there.one("ann", f"todown.{ZONE}")
            place.one.run("send", "-c", place.one.settings_file, "-O", "RequireTLS=yes", "-f", SENDER,
                          f"bob@todown.{ZONE}", stdin=None, input="Subject: x\n\nhello\n")
            line = there.wait_log("accepted", to=f"<bob@todown.{ZONE}>")
            must(line["wish"] == "requiretls", f"{line}")


# ---- reports ---------------------------------------------------------------------------------------------------------

def a_report_has_the_header_alone_whatever_was_asked():
    with Place() as place:
        place.send(f"a@toplain.{ZONE}", parameters=" REQUIRETLS RET=FULL")
        report = place.report()
        must("Subject: secret" in report.text and "only for you" not in report.text, report.text)


def a_report_asks_for_requiretls_and_goes_on_without():
    """RFC 8689 section 5: said where it is offered; where it is not, a sender who hears nothing would be worse off."""
    with Place() as place:
        for name in ("good", "plain"):
            place.send(f"a@toclear.{ZONE}", sender=f"{name}@to{name}.{ZONE}")
            place.ended(f"{name}@to{name}.{ZONE}", "delivered")
        must(place.mails("good")[0].split()[:2] == ["MAIL", "FROM:<>"] and "REQUIRETLS" in place.mails("good")[0],
             f"{place.mails('good')}")
        must("REQUIRETLS" not in place.mails("plain")[0], f"{place.mails('plain')}")


def ret_full_is_not_asked_of_the_next_server():
    with Place() as place:
        place.send(f"a@togood.{ZONE}", parameters=" REQUIRETLS RET=FULL")
        place.ended(f"a@togood.{ZONE}", "delivered")
        must("RET=HDRS" in place.mails("good")[0], f"{place.mails('good')}")


# ---- TLS-Required: No ------------------------------------------------------------------------------------------------

NO = b"TLS-Required: No\r\n" + CONTENT


def a_sender_who_can_do_without_is_not_stopped_by_a_policy():
    with Place() as place:
        for name, is_encrypted in (("strange", True), ("clear", False)):
            place.send(f"a@to{name}.{ZONE}", parameters="")
            place.ended(f"a@to{name}.{ZONE}", "deferred")
            must(not place.mails(name), "the policy did not count for the others")
            place.send(f"b@to{name}.{ZONE}", parameters="", content=NO)
            place.ended(f"b@to{name}.{ZONE}", "delivered")
            must([inside for _, inside in place.hosts[name].mails] == [is_encrypted], f"{place.hosts[name].mails}")


def requiretls_goes_before_the_header():
    with Place() as place:
        place.send(f"a@toclear.{ZONE}", content=NO)
        line = place.ended(f"a@toclear.{ZONE}", "bounced")
        must(line["code"] == "5.7.10", f"{line}")
        place.send(f"a@togood.{ZONE}", content=NO)
        place.ended(f"a@togood.{ZONE}", "delivered")
        must("REQUIRETLS" in place.mails("good")[0], f"{place.mails('good')}")


def a_program_here_may_say_so_too():
    with Place() as place:
        place.one.run("send", "-c", place.one.settings_file, "-f", SENDER, f"a@toclear.{ZONE}",
                      stdin=None, input="TLS-Required: no\nSubject: x\n\nhello\n")
        place.ended(f"a@toclear.{ZONE}", "delivered")


def a_wish_that_is_said_twice_is_none():
    with Place() as place:
        place.send(f"a@toclear.{ZONE}", parameters="", content=b"TLS-Required: No\r\n" + NO)
        place.ended(f"a@toclear.{ZONE}", "deferred")


if __name__ == "__main__":
    sys.exit(gateway.run_promises([
        it_is_taken_inside_tls_alone,
        a_mailbox_of_our_own_takes_it,
        it_is_said_to_a_host_that_offers_it,
        the_next_host_gets_it_where_the_first_lacks_it,
        it_comes_back_from_a_host_that_does_not_offer_it,
        an_offer_in_the_clear_does_not_count,
        it_comes_back_where_anybody_may_have_named_the_host,
        a_policy_that_lists_the_host_vouches_for_it,
        it_comes_back_where_there_is_no_tls,
        it_comes_back_where_the_certificate_is_nobodys_we_know,
        a_host_that_is_down_may_be_the_one_that_offers_it,
        it_is_known_again_after_a_crash,
        one_gateway_passes_it_to_another_from_a_program_here_to_a_mailbox_there,
        a_report_has_the_header_alone_whatever_was_asked,
        a_report_asks_for_requiretls_and_goes_on_without,
        ret_full_is_not_asked_of_the_next_server,
        a_sender_who_can_do_without_is_not_stopped_by_a_policy,
        requiretls_goes_before_the_header,
        a_program_here_may_say_so_too,
        a_wish_that_is_said_twice_is_none,
    ], (Absent,)))
