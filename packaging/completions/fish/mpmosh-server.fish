complete -c mpmosh-server -s i -d 'Accept datagrams only at this local address' -r
complete -c mpmosh-server -s p -d 'UDP port, or range of ports, to listen on; 0 leaves the choice to the system' -r
complete -c mpmosh-server -s c -d 'How many colours the client\'s terminal has; 256 gives the session TERM=xterm-256color, fewer TERM=xterm' -r
complete -c mpmosh-server -s l -d 'A locale variable for the session, used when the server\'s own locale is not UTF-8' -r
complete -c mpmosh-server -s @ -d 'Ignored: lets a caller mark the process in `ps`' -r
complete -c mpmosh-server -l dialect -d 'Which language to speak; stock mosh\'s wrapper asks for none and gets its own' -r -f -a "multipath\t''
mosh\t''
mp-mosh\t''"
complete -c mpmosh-server -l size -d 'The client\'s terminal size; the session starts at once instead of waiting for the client to tell it' -r
complete -c mpmosh-server -l address -d 'Another address of this host to tell the client about' -r
complete -c mpmosh-server -l log -d 'Append a log to this file' -r -F
complete -c mpmosh-server -l log-level -d 'How much to log: error, warn, info, debug or trace' -r
complete -c mpmosh-server -s s -d 'Accept datagrams only at the address that the ssh connection reached (SSH_CONNECTION)'
complete -c mpmosh-server -s v -d 'Keep the standard streams open and log to stderr; repeat for more'
complete -c mpmosh-server -l streams -d 'No terminal: standard input, output and error travel as byte streams'
complete -c mpmosh-server -s h -l help -d 'Print help'
complete -c mpmosh-server -s V -l version -d 'Print version'
