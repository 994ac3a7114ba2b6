from atomgraph.data.frame_names import format_count


def test_a_count_of_one_has_a_singular_noun():
    assert [format_count(n, "frame") for n in (0, 1, 2)] == ["0 frames", "1 frame", "2 frames"]
    assert format_count(1, "energy") == "1 energy" and format_count(3, "energy") == "3 energies"
