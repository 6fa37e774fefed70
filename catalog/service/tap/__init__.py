"""The TAP service: ADQL over HTTP, as IVOA clients ask it (TAP 1.1, DALI 1.1, UWS 1.1, VOSI 1.1, cone search 1.03)."""
