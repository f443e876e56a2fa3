"""Looking for parameters without fooling oneself: every choice is made on one period and judged on the next."""
