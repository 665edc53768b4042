from ravine.report import bundle


def test_the_bundle_is_found_whole_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "FOLDER", tmp_path)
    assert bundle.find() is None
    (tmp_path / "app.js").write_text("'é'", encoding="utf-8")
    assert bundle.find() is None
    (tmp_path / "app.css").write_text("a {}", encoding="utf-8")
    assert bundle.find() == bundle.Bundle("'é'", "a {}")


def test_the_second_script_is_found_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "FOLDER", tmp_path)
    assert bundle.find_more() is None
    (tmp_path / "more.js").write_text("'é'", encoding="utf-8")
    (tmp_path / "more.css").write_text("b {}", encoding="utf-8")
    assert bundle.find_more() == bundle.Bundle("'é'", "b {}")
    assert bundle.find() is None


def test_it_lies_beside_its_module():
    assert bundle.FOLDER.parent.name == "report"
    assert bundle.FOLDER.name == "bundle"
