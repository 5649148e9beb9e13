"""Certificate authorities, certificates and their life. It does not know devices."""

__all__: list[str] = []
