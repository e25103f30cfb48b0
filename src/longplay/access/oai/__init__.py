"""An OAI-PMH 2.0 provider: https://www.openarchives.org/OAI/openarchivesprotocol.html

It tells of held recordings what the licences of its sources and the gate permit, in oai_dc and
MODS, and which it tells of no longer.
"""
