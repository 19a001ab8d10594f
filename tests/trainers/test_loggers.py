"""Loggers are refused early, and write below the training's folder."""

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.errors import UserError
from trainers.verl import loggers


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say which packages there are."""

    def only(*names: str) -> None:
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: object() if name in names else None
        )

    return only


@pytest.fixture(autouse=True)
def nobody_is_logged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def test_the_loggers_are_those_of_the_installed_verl() -> None:
    spec = importlib.util.find_spec("verl")
    if spec is None or spec.origin is None:
        pytest.skip("verl is not installed")
    source = (Path(spec.origin).parent / "utils/tracking.py").read_text()
    listed = re.search(r"supported_backend = \[(.*?)\]", source, re.DOTALL)
    assert listed is not None
    assert set(re.findall(r'"(\w+)"', listed[1])) == set(loggers.LOGGERS)
    for module in loggers.LOGGERS.values():
        assert module is None or module in source


def test_a_logger_that_is_not_known(installed: Callable[..., None]) -> None:
    with pytest.raises(UserError, match=r"tensorbord.*did you mean.*tensorboard"):
        loggers.check(["tensorbord"])


def test_a_logger_whose_package_is_missing(installed: Callable[..., None]) -> None:
    installed()
    loggers.check(["console", "file"])
    with pytest.raises(UserError, match="needs the Python package volcengine-ml-platform"):
        loggers.check(["vemlp_wandb"])


def test_wandb_needs_a_key(
    installed: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed("wandb")
    with pytest.raises(UserError, match="has no key"):
        loggers.check(["wandb"])
    (tmp_path / "netrc").write_text("machine api.wandb.example login user password secret\n")
    loggers.check(["wandb"])
    (tmp_path / "netrc").write_text("this is no netrc\n")
    with pytest.raises(UserError, match="has no key"):
        loggers.check(["wandb"])
    monkeypatch.setenv("WANDB_MODE", "offline")
    loggers.check(["wandb"])


def test_files_go_below_the_training_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    assert loggers.environment(tmp_path, ["console", "file"], {}) == {}
    directed = loggers.environment(
        tmp_path, ["tensorboard", "mlflow", "wandb"], {"MLFLOW_TRACKING_URI": "of the user"}
    )
    assert directed == {
        "TENSORBOARD_DIR": str(tmp_path / "tensorboard"),
        "WANDB_DIR": str(tmp_path),
    }


def test_a_resumed_training_goes_on_in_its_wandb_run(tmp_path: Path) -> None:
    assert loggers.continued(tmp_path, ["console", "tensorboard"], {}) == {}
    assert list(tmp_path.iterdir()) == []
    first = loggers.continued(tmp_path, ["wandb"], {})
    assert first["WANDB_RESUME"] == "allow"
    assert re.fullmatch("[0-9a-f]{12}", first["WANDB_RUN_ID"])
    assert loggers.continued(tmp_path, ["wandb"], {}) == first
    other = tmp_path / "other"
    other.mkdir()
    assert loggers.continued(other, ["wandb"], {}) != first


def test_a_run_that_the_user_names_counts_and_is_kept(tmp_path: Path) -> None:
    user = {"WANDB_RUN_ID": "of-the-user", "WANDB_RESUME": "must"}
    assert loggers.continued(tmp_path, ["wandb"], user) == user
    assert loggers.continued(tmp_path, ["wandb"], {})["WANDB_RUN_ID"] == "of-the-user"


def test_a_spoilt_id_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "wandb-run-id.txt").write_text("a/b:c\n")
    made = loggers.continued(tmp_path, ["wandb"], {})["WANDB_RUN_ID"]
    assert made == (tmp_path / "wandb-run-id.txt").read_text().strip() != "a/b:c"


def test_wandb_takes_the_variables() -> None:
    settings = pytest.importorskip("wandb.sdk.wandb_settings").Settings()
    settings.update_from_env_vars({"WANDB_RUN_ID": "abc", "WANDB_RESUME": "allow"})
    assert (settings.run_id, settings.resume) == ("abc", "allow")


def test_several_trainings_do_not_share_a_wandb_run(
    installed: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_RUN_ID", "one")
    loggers.check(["wandb"])
    loggers.check(["console"], one_of_several=True)
    with pytest.raises(UserError, match="all seeds would write to that one run"):
        loggers.check(["wandb"], one_of_several=True)
