import io

from dask.delayed import delayed
from rich.console import Console

from api.progress import Stages, dask_progress


def test_log_gets_a_line_when_a_stage_begins() -> None:
    log = io.StringIO()
    with (
        Stages(Console(file=log, force_terminal=False, width=100)) as stages,
        stages.stage("Scenes", "影像", total=3),
    ):
        assert log.getvalue() == "影像 Scenes …\n"


def test_interrupted_stage_does_not_look_done() -> None:
    log = io.StringIO()
    console = Console(file=log, force_terminal=False, width=100)
    try:
        with Stages(console) as stages, stages.stage("Scenes", "影像", total=3) as one:
            one()
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert "1/3" in log.getvalue()


def test_only_the_marked_tasks_of_dask_are_counted() -> None:
    counted: list[int] = []
    blocks = [delayed(int)(n, dask_key_name=f"block-{n}") for n in range(4)]
    total = delayed(sum)(blocks)
    with dask_progress(lambda: counted.append(1), marker="block-"):
        assert total.compute(scheduler="synchronous") == 6
    assert len(counted) == 4
