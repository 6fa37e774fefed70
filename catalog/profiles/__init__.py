"""How a catalogue is made: every choice that the paper states or leaves open, with its default."""

from catalog.profiles.model import Profile, load_profile, profile_names

__all__ = ["Profile", "load_profile", "profile_names"]
