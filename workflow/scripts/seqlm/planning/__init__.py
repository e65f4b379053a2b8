"""Before and beside a study: looking at somebody's files, writing a first config, saying how long all will take."""
