"""The same scripts against the local cloud and against moto: answers compared member by member."""
