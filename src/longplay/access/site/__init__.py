"""The web site: pages made on the server, and a player that goes on from page to page."""
