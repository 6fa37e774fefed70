"""The faults, in journeys: each journey makes one catalogue, disturbed again and again on its way."""

from tests.acceptance.faults import harm
from tests.acceptance.faults.harm import Fault
from tests.acceptance.faults.home import Moment

__all__ = ["JOURNEYS", "STAGES"]

STAGES = ("mock", "ingest", "sample", "train", "predict", "study", "flag", "validate", "publish")

MIDDLES = {
    "mock": Moment("mock", fraction=0.3),
    "ingest": Moment("ingest", fraction=0.3),
    "sample": Moment("sample", words="cuts of the training sample"),
    "train": Moment("train", words="epoch 1"),
    "predict": Moment("predict", fraction=0.3),
    "study": Moment("study", fraction=0.6),
    "flag": Moment("flag", words="t-SNE"),
    "validate": Moment("validate", words="figure:"),
    "publish": Moment("publish", words="checksum"),
}
"""A moment in the middle of each stage."""

SWITCH = "catalog.publish.stage:switch_views"

KILLED = (
    *(
        Fault(f"kill-{stage}", f"SIGKILL in the middle of {stage}", moment, harm.kill, own_prefect=stage == "ingest")
        for stage, moment in MIDDLES.items()
        if stage != "publish"
    ),
    Fault("kill-tables", "SIGKILL while tables are filled", Moment("publish", words="filling"), harm.kill),
    Fault("kill-filled", "SIGKILL with full tables, before the switch", MIDDLES["publish"], harm.kill),
    Fault("kill-switch", "SIGKILL just before the views switch", Moment("publish", "before", target=SWITCH), harm.kill),
    Fault("kill-switched", "SIGKILL just after, uncommitted", Moment("publish", "after", target=SWITCH), harm.kill),
    Fault(
        "kill-public",
        "SIGKILL just after the switch is committed",
        Moment("publish", "before", target="catalog.publish.stage:export_catalogue"),
        harm.kill,
    ),
    Fault("kill-export", "SIGKILL with half of the files written", Moment("publish", words="writing"), harm.kill),
    Fault(
        "kill-finish",
        "SIGKILL before the run is closed",
        Moment("publish", "before", target="catalog.database.ledger:finish_run"),
        harm.kill,
    ),
)

BOUNDARIES = tuple(
    Fault(
        f"kill-after-{stage}", f"SIGKILL after {stage}", Moment(stage, "end"), harm.kill, own_prefect=stage == "sample"
    )
    for stage in STAGES
)

POWER = tuple(
    Fault(f"power-{stage}", f"SIGKILL of all processes, server too, in {stage}", MIDDLES[stage], harm.power_cut)
    for stage in ("mock", "ingest", "train", "predict", "flag", "publish")
)

RESTARTED = tuple(
    Fault(f"restart-{stage}", f"PostgreSQL restarted (fast) in {stage}", moment, harm.restart_server)
    for stage, moment in MIDDLES.items()
    if stage != "mock"
)

CRASHED = (
    *(
        Fault(
            f"postmaster-{stage}", f"PostgreSQL's first process killed (SIGKILL) in {stage}", moment, harm.kill_server
        )
        for stage, moment in MIDDLES.items()
        if stage not in ("mock", "sample", "study")
    ),
    Fault("backend", "PostgreSQL's process of the stage killed (SIGKILL)", MIDDLES["predict"], harm.kill_backend),
)

CUT = (
    *(
        Fault(f"cut-{stage}", f"connection ended (pg_terminate_backend) in {stage}", moment, harm.cut_stage)
        for stage, moment in MIDDLES.items()
        if stage != "mock"
    ),
    Fault("cut-lock", "connection that holds the run's lock ended", MIDDLES["validate"], harm.cut_lock),
)

DISK = (
    Fault("disk-surveys", "disk of the survey files full", MIDDLES["mock"], harm.fill_disk, disk="surveys"),
    Fault("disk-ingest", "disk of the database full", MIDDLES["ingest"], harm.fill_disk, disk="postgres"),
    Fault("disk-ensembles", "disk of the ensembles full", MIDDLES["train"], harm.fill_disk, disk="ensembles"),
    Fault("disk-predict", "disk of the database full", MIDDLES["predict"], harm.fill_disk, disk="postgres"),
    Fault("disk-likeness", "disk of the likeness maps full", MIDDLES["flag"], harm.fill_disk, disk="likeness"),
    Fault("disk-reports", "disk of the reports full", MIDDLES["validate"], harm.fill_disk, disk="reports"),
    Fault("disk-publish", "disk of the database full", MIDDLES["publish"], harm.fill_disk, disk="postgres"),
    Fault(
        "disk-exports", "disk of the exports full", Moment("publish", words="writing"), harm.fill_disk, disk="exports"
    ),
)

FULL = (
    Fault("disk-home", "disk of the whole home full", MIDDLES["train"], harm.fill_disk, disk=""),
    Fault("disk-log", "disk of the server's log full", MIDDLES["predict"], harm.fill_disk, disk="postgres/log"),
    Fault(
        "disk-prefect",
        "disk of Prefect's folder full",
        MIDDLES["study"],
        harm.fill_disk,
        disk="prefect",
        own_prefect=True,
    ),
)

MEMORY = (
    *(
        Fault(
            f"memory-{stage}",
            f"no memory left (RLIMIT_AS) in {stage}",
            Moment(stage, moment.event, moment.words, moment.fraction, memory_mb=1.0),
            harm.nothing,
        )
        for stage, moment in MIDDLES.items()
        if stage in ("ingest", "predict", "flag", "validate")
    ),
    Fault("oom-train", "one training process killed (SIGKILL)", MIDDLES["train"], harm.kill_worker),
)

OTHERS = (
    Fault("twice", "the same command started twice", MIDDLES["train"], harm.second_run, survives=True),
    Fault("interrupt", "Ctrl-C", MIDDLES["train"], harm.interrupt),
    Fault("terminate", "SIGTERM", MIDDLES["predict"], harm.terminate),
    Fault("prefect-killed", "Prefect's server killed (SIGKILL)", MIDDLES["study"], harm.kill_prefect, own_prefect=True),
    Fault(
        "prefect-gone",
        "no Prefect server at PREFECT_API_URL",
        Moment("flag", "begin"),
        harm.nothing,
        variables=(("PREFECT_API_URL", "http://127.0.0.1:9/api"),),
    ),
    Fault("clock", "clock set back by a day, then SIGKILL", MIDDLES["validate"], harm.kill, clock_s=-86_400.0),
)


def _in_order(faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    return tuple(sorted(faults, key=lambda fault: STAGES.index(fault.moment.stage)))


JOURNEYS: dict[str, tuple[Fault, ...]] = {
    "boundaries": BOUNDARIES,
    "killed": KILLED,
    "power": POWER,
    "restarted": RESTARTED,
    "crashed": _in_order(CRASHED),
    "cut": _in_order(CUT),
    "disk": DISK,
    "full": FULL,
    "memory": _in_order(MEMORY),
    "others": _in_order(OTHERS),
}
