"""What happens in `asl demo`, step by step, with what each step has to lead to."""

from __future__ import annotations

from aslp2p.artifacts.invite import Invite
from aslp2p.cli.demo_stage import Actor, Stage, require
from aslp2p.cli.demo_stranger import INVENTED, send_invented
from aslp2p.cli.output import say
from aslp2p.home import Home

NAMES = ("mia", "alice", "james", "zoe", "ben")
AUTHORITIES = NAMES[:3]
GRACE = "2s"
USED_UP = "the invite was used already"
"""What a daemon answers whom an invite does not let in any more."""


def tell_story(stage: Stage) -> None:
    """The whole story; raises `DemoFailed` at the first step that does not come true."""
    invite = _genesis(stage)
    _proposals(stage)
    _rotation(stage)
    _silence(stage)
    _return(stage)
    _stranger(stage, invite)
    _end(stage)


def _genesis(stage: Stage) -> str:
    stage.tell(
        "Five machines, five daemons. You found the Common: common@0 holds the policy, its first witness "
        "(mia) and the keys of alice and james, who may replace the witness, two of three together."
    )
    stage.configure()
    you = stage["mia"]
    keys = {name: stage[name].type("self", quiet=True).split("Key:")[1].split()[0] for name in AUTHORITIES}
    lines = [line for name in AUTHORITIES for line in (f"    - domain: {name}", f"      key: {keys[name]}")]
    text = "\n".join(
        [
            "common_policy:",
            "  witnesses:",
            *lines,
            "  threshold: 2",
            "  rotation:",
            "    allowed: true",
            f"    grace_period: {GRACE}",
        ]
    )
    policy = stage.folder / "policy.yaml"
    policy.write_text(text + "\n")
    say("  mia $ cat policy.yaml")
    for line in text.splitlines():
        say(f"    {line}")
    you.type("init", "common", "--policy", str(policy))
    you.up()
    stage.until("the daemon answers", lambda: you.call("version"))
    guests = len(NAMES) - len(AUTHORITIES)
    invite = you.type("invite", "--uses", str(guests)).split()[0]
    for name in NAMES[1:]:
        stage[name].type("join", invite)
        stage[name].up()
    head = stage.equal(NAMES, lambda head: head["standing"] == "admitted" and head["members"] == len(NAMES))
    stage.until("everybody is linked with everybody", lambda: all(_linked(stage[name]) for name in NAMES))
    require(head["witness"]["name"] == "mia", "mia is the witness")
    require(you.type("status").startswith(f"Common: common@{head['height']} (witness: "), "a status line")
    return invite


def _linked(actor: Actor) -> bool:
    return len({link["key"] for link in actor.call("peers")["peers"]}) == len(NAMES) - 1


def _proposals(stage: Stage) -> None:
    stage.tell("Everybody may propose; only the witness numbers and signs. Nobody else is needed for that.")
    stage["zoe"].type("put", "-", "shopping", stdin="milk, bread\n", shown="put - shopping  < shopping")
    stage["james"].type("put", "-", "rent", stdin="paid\n", shown="put - rent  < rent")
    stage.equal(NAMES, lambda head: head["log_size"] >= 2 and head["final"] == head["height"])
    stage["ben"].type("log", "-n", "2")


def _rotation(stage: Stage) -> None:
    stage.tell(
        "You are moving out and hand the office to alice. James endorses, alice accepts; then your own "
        "machine emits the transition."
    )
    you, alice, james = (stage[name] for name in AUTHORITIES)
    you.type("rotate", "alice", "--reason", "I am moving out")
    for actor in (james, alice):
        id_ = stage.until(f"{actor.name} sees it", lambda actor=actor: _open(actor))  # type: ignore[misc]
        actor.type("status")
        actor.type("endorse", id_)
    head = stage.equal(NAMES, lambda head: head["witness"]["name"] == "alice")
    said = stage["zoe"].type("status").splitlines()
    require(said[0] == f"Common: common@{head['height']} (witness: alice)", "alice is the witness")
    require(said[1] == f"Note: witness rotated at common@{head['changed_height']}", "the note of it")
    stage["zoe"].type("put", "-", "party", stdin="saturday\n", shown="put - party  < party")
    stage.equal(NAMES, lambda head: head["final"] == head["height"])


def _open(actor: Actor) -> str:
    papers = actor.call("summary")["papers"]
    return str(papers[0]["id"])[:8] if papers else ""


def _silence(stage: Stage) -> None:
    stage.tell(
        f"Alice's machine dies without a word. The policy lets a witness be silent for {GRACE}; after that "
        "the daemons of the other authorities appoint another one. Nothing blocks meanwhile: proposals wait."
    )
    left = [name for name in NAMES if name != "alice"]
    stage["alice"].kill()
    stage["zoe"].type("put", "-", "cat", "--no-wait", stdin="fed\n", shown="put - cat --no-wait  < cat")
    stage["zoe"].type("status")
    stage.until(
        "james notices", lambda: stage["james"].call("status")["commons"][0]["live"]["silence"]["silent_ms"]
    )
    stage["james"].type("status")
    head = stage.equal(left, lambda head: head["witness"]["name"] in ("mia", "james") and not head["pending"])
    said = stage["zoe"].type("status").splitlines()
    require(said[1].startswith(f"Note: witness rotated at common@{head['changed_height']}"), "the note of it")
    stage["zoe"].type("show", f"@{head['changed_height']}")
    require("cat" in stage["ben"].type("ls"), "what was proposed in between is in the history")


def _return(stage: Stage) -> None:
    stage.tell("Alice's machine is back. It learns that it was replaced before it signs anything.")
    alice = stage["alice"]
    alice.up()
    stage.equal(NAMES, lambda head: head["witness"]["name"] != "alice")
    require("this machine stepped down" in alice.type("status"), "alice's machine says that it stepped down")
    alice.type("put", "-", "sorry", stdin="the battery\n", shown="put - sorry  < sorry")
    stage.equal(NAMES, lambda head: head["final"] == head["height"])


def _stranger(stage: Stage, invite: str) -> None:
    stage.tell(
        f"A stranger found the invite, links with james's daemon and sends an invented common@{INVENTED}, "
        "signed with a key of their own. The invite was for two machines and has let two in."
    )
    james = stage["james"]
    before = james.call("summary")
    home = Home(stage.folder / "stranger")
    id_, reasons = send_invented(
        Invite.parse(invite), home, james.port, after=bytes.fromhex(before["head"]), epoch=before["epoch"]
    )
    say(f"  (sent: common@{INVENTED} {id_[:12]}; james's daemon hung up)")
    require(any(USED_UP in reason for reason in reasons), "james's daemon says why it does not listen")
    say(f"    {'; '.join(reasons)}")
    james.type("show", f"@{INVENTED}", refused=True)
    james.type("status")
    after = stage.equal(NAMES, lambda head: head["head"] == before["head"])
    require(after["height"] < INVENTED, "nobody accepts it")


def _end(stage: Stage) -> None:
    stage.tell("One history, on five machines, with the proof of every change of witness in it.")
    stage["ben"].type("log")
    require("hold" in stage["ben"].type("verify"), "the whole history verifies")
    heads = {stage[name].call("summary")["head"] for name in NAMES}
    require(len(heads) == 1, "equal heads")
    say()
    say(f"All five end on {heads.pop()[:12]}.")
