"""The subcommands of `lic`, one thin file each."""
