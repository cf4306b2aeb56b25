from include.core.places import install

install()  # the models of folders that are none of this project's
