"""What a draft has cost so far, and whether it may go on: models are dear, so the check comes before the call."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .protocol import Completion


@dataclass(frozen=True, kw_only=True)
class Spending:
    """A running account. `tokens` and `cost` are the limits; prices are per million tokens."""

    tokens: int
    cost: float
    price_in: float = 0.0
    price_out: float = 0.0
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def why_not(self, tokens_in: int, tokens_out: int) -> str:
        """Why a call of at most this size must not be made; '' when it may."""
        if self.tokens_in + self.tokens_out + tokens_in + tokens_out > self.tokens:
            return f"the budget of {self.tokens} tokens does not allow another call"
        if self.spent + self._price(tokens_in, tokens_out) > self.cost:
            return f"the budget of {self.cost:g} does not allow another call"
        return ""

    def plus(self, completion: Completion) -> Spending:
        """The account with one more call booked."""
        return replace(
            self,
            calls=self.calls + 1,
            tokens_in=self.tokens_in + completion.tokens_in,
            tokens_out=self.tokens_out + completion.tokens_out,
        )

    @property
    def spent(self) -> float:
        """Money so far."""
        return self._price(self.tokens_in, self.tokens_out)

    def _price(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1_000_000

    def __str__(self) -> str:
        money = f", cost {self.spent:.4f}" if self.price_in or self.price_out else ""
        return f"{self.calls} calls, {self.tokens_in} + {self.tokens_out} tokens{money}"
