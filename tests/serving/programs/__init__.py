"""Programs that serve by themselves, as people write them: nothing in them knows ngxloop."""
