"""The house of the library stays one that a newcomer can find the way in."""


def test_no_file_lies_beside_the_rooms_and_no_room_is_crowded(root):
    library = root / "workflow/scripts/seqlm"
    assert [path.name for path in library.glob("*.py")] == ["__init__.py"]
    rooms = [path for path in library.rglob("*") if path.is_dir() and list(path.glob("*.py"))]
    crowded = {str(room.relative_to(library)): len(list(room.glob("*.py"))) for room in rooms}
    assert {name: files for name, files in crowded.items() if files > 14} == {}
    for room in rooms:
        assert (room / "__init__.py").read_text().startswith('"""'), f"{room.name} does not say what lives there"
