import records_fixture
from ravine.lab.record_recipe import script_of
from ravine.records import create, resume


def test_a_record_that_supports_no_script_has_none(tmp_path):
    create(tmp_path / "a.ravine").close()
    assert script_of(str(tmp_path / "a.ravine")) == {"text": "", "note": ""}


def test_a_task_of_a_user_s_file_is_never_run_for_a_page(tmp_path):
    records_fixture.write(tmp_path / "a.ravine", optimizers=("adam",), seeds=2)
    (tmp_path / "evil.py").write_text("raise SystemExit('was run')", encoding="utf-8")
    with resume(tmp_path / "a.ravine") as writer:
        writer.set_meta("task", {"name": "a", "reference": str(tmp_path / "evil.py"), "rank_by": "loss", "higher_is_better": False})
    assert script_of(str(tmp_path / "a.ravine")) == {"text": "", "note": ""}
