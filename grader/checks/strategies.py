"""hypothesis strategies for the configurations that the assignments' properties range over."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st


def vgg_configs(max_convolutions: int = 4, max_pools: int = 3) -> st.SearchStrategy[list[Any]]:
    """Configurations for make_layers: widths 1 to 9 and "M" in any order, at least one width."""
    items = st.lists(st.one_of(st.integers(1, 9), st.just("M")), min_size=1, max_size=max_convolutions + max_pools)
    return items.filter(lambda cfg: cfg.count("M") <= max_pools and 1 <= len(cfg) - cfg.count("M") <= max_convolutions)


def image_sizes(pools: int, most: int = 13) -> st.SearchStrategy[tuple[int, int]]:
    """Heights and widths that survive ``pools`` halvings, odd ones among them."""
    least = 1 << pools
    side = st.integers(least, max(least + 3, most))
    return st.tuples(side, side)


def seeds() -> st.SearchStrategy[int]:
    """Seeds for weights and inputs."""
    return st.integers(0, 2**20)


def widths() -> st.SearchStrategy[int]:
    """Numbers of channels."""
    return st.integers(1, 8)


def sides() -> st.SearchStrategy[int]:
    """Heights or widths, even and odd, 1 among them."""
    return st.integers(1, 9)
