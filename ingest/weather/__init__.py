"""Daily weather of counties and fields, from reanalysis grids and NASA POWER.

::

    netcdf, units, fao56     files, units and formulas
    holdings                 which file holds which variable of which time
    agera5, era5_land        daily grids of a product
    power, power_api         daily series of points, from files and from the server
    places, series, table    means of places, in one tidy form, checked
    sources, importing       what there is in a folder, and bringing it in
    from_power               bringing in what the server has and the store lacks
    derived                  degree days, frost dates, evapotranspiration
"""
