"""What the library survives: fuzzing, kills, memory, random schedules."""
