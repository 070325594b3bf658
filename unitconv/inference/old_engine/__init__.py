"""The fast decoder: tokens in, tokens out (chapter "Fast decoding")."""

from unitconv.inference.old_engine.batching import Pass
from unitconv.inference.old_engine.cache import CacheError, CachePlan
from unitconv.inference.old_engine.generation import generate
from unitconv.inference.old_engine.models import why_not

__all__ = ["CacheError", "CachePlan", "Pass", "generate", "why_not"]
