"""OAI-PMH 2.0: libraries' and archives' own records of sound, harvested politely.

https://www.openarchives.org/OAI/openarchivesprotocol.html
"""
