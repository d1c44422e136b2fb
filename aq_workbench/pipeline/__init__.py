"""Pipeline notebooks run by papermill, one process per city."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "notebooks": ["CityResult", "edited_notebooks", "Job", "notebook_folder", "notebook_for", "NotebookFailed",
                  "NotebookResult", "one_run", "run_cities", "run_notebook", "save_results", "STAGES"],
})
