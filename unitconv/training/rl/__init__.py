"""Online RL with verifiable rewards: sample, grade, learn, in a loop."""
