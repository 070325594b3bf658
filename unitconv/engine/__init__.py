"""The fast decoder: tokens in, tokens out (chapter "Fast decoding")."""

from unitconv.engine.batching import Pass
from unitconv.engine.cache import CacheError, CachePlan
from unitconv.engine.generation import generate
from unitconv.engine.models import why_not

__all__ = ["CacheError", "CachePlan", "Pass", "generate", "why_not"]
