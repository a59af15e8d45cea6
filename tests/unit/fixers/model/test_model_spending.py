from nightshift.fixers.model.protocol import Completion
from nightshift.fixers.model.spending import Spending


def test_tokens_are_counted_and_the_next_call_is_refused_before_it_is_made():
    spending = Spending(tokens=100, cost=1.0).plus(Completion(text="", tokens_in=60, tokens_out=10))
    assert spending.why_not(20, 10) == ""
    assert "100 tokens" in spending.why_not(20, 11)
    assert str(spending) == "1 calls, 60 + 10 tokens"


def test_money_is_counted_and_capped():
    spending = Spending(tokens=10**9, cost=0.01, price_in=1.0, price_out=10.0)
    spent = spending.plus(Completion(text="", tokens_in=2000, tokens_out=500))
    assert round(spent.spent, 6) == 0.007
    assert spent.why_not(1000, 100) == ""
    assert "0.01" in spent.why_not(1000, 1000)
    assert str(spent).endswith("cost 0.0070")
