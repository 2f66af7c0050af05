complete -c mpmosh-client -s # -d 'Ignored: what the user typed, for ps(1)' -r
complete -c mpmosh-client -l dialect -d 'The wire format' -r -f -a "auto\t''
multipath\t''
mosh\t''
mp-mosh\t''"
complete -c mpmosh-client -s c -d 'Print the number of colours of the terminal'
complete -c mpmosh-client -s v -d 'Tell more'
complete -c mpmosh-client -s h -l help -d 'Print help'
complete -c mpmosh-client -s V -l version -d 'Print version'
