"""Job levels of civil servants: the groups that standards, plans and rosters speak of."""

from calibration.language import N_
from cat_engine import Fault

JOB_LEVELS = {
    "jpt_utama": N_("JPT Utama"), "jpt_madya": N_("JPT Madya"), "jpt_pratama": N_("JPT Pratama"), "administrator": N_("Administrator"),
    "pengawas": N_("Pengawas"), "pelaksana": N_("Pelaksana"), "fungsional": N_("Fungsional"), "ahli_utama": N_("JF Ahli Utama"),
    "ahli_madya": N_("JF Ahli Madya"), "ahli_muda": N_("JF Ahli Muda"), "ahli_pertama": N_("JF Ahli Pertama"), "penyelia": N_("JF Penyelia"),
    "mahir": N_("JF Mahir"), "terampil": N_("JF Terampil"), "pemula": N_("JF Pemula"),
}  # fmt: skip


def read_job_level(where: str, field: str, text: str, faults: list[Fault]) -> str:
    """The code of a job level as people write it; one that is not known is added to `faults`."""
    job_level = "_".join(text.lower().replace("-", " ").split())
    if job_level not in JOB_LEVELS:
        faults.append(Fault(where, field, f"'{text}' is not known", "one of " + ", ".join(JOB_LEVELS)))
    return job_level
