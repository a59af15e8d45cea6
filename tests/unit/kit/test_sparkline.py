from hypothesis import given
from hypothesis import strategies as st

from nightshift.daemon.kit.sparkline import sparkline

M = 60_000


def test_heights_gaps_and_ends():
    assert sparkline([]) == ""
    assert sparkline([(0, 5)]) == "█"
    assert sparkline([(0, 8), (M, 4), (3 * M, 1)]) == "█▄·▁"
    assert sparkline([(0, 1), (9999 * M, 1)]) == "█" + "·" * 14 + "█"


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**9)), min_size=1), st.integers(1, 40))
def test_any_counts_fit_the_width(counts, width):
    drawn = sparkline(sorted((at * M, n) for at, n in counts), width)
    assert 1 <= len(drawn) <= width and "█" in drawn
