"""What the commands for CAs, certificates, profiles and engines share.

`arguments` are their arguments and options, `expiry` is how a person says when something ends, `lookup` finds what a
person names, `files` reads and writes, `show` and `description` print, `changes` are the commands that CAs and
certificates have alike, `verify` judges a certificate.
"""

__all__: list[str] = []
