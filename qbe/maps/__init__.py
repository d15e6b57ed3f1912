"""Where does it lie? Sounds in the plane or in space, those near each other that sound alike; and pictures of that."""
