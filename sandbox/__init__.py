"""The platform simulator: WeChat's and WeCom's HTTP API, and people to go with it."""
