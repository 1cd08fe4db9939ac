"""What Wendshire's clusters commission: invented services of invented providers."""

from dataclasses import dataclass

from convenor.commissioned_services.models import Audience, DeliveryMode, Evidence, Level
from convenor.contacts.models import StaffRole
from convenor.domain_types.codes import AreaOfNeed, NeedType
from convenor.outcomes.models import Instrument
from convenor.providers.models import ProviderKind
from convenor.slas.models import Cadence

CLUSTERS = ("1", "2", "3", "4.5", "6")


@dataclass(frozen=True)
class ProviderPlan:
    """One provider of the demo."""

    key: str
    name: str
    kind: ProviderKind
    organisation_kind: str
    ods_code: str | None = None
    company_number: str | None = None


PROVIDERS = (
    ProviderPlan("therapy", "Wendshire Therapies NHS Trust", ProviderKind.NHS, "health", "ZZ901"),
    ProviderPlan("wellbeing", "Wendmoor Children's NHS Trust", ProviderKind.NHS, "health", "ZZ902"),
    ProviderPlan("outreach", "Lantern Outreach", ProviderKind.THIRD_SECTOR, "provider", None, "99000001"),
    ProviderPlan("movement", "Springboard Movement", ProviderKind.THIRD_SECTOR, "provider", None, "99000002"),
    ProviderPlan("learning", "Stepping Stones Learning", ProviderKind.INDEPENDENT, "provider", None, "99000003"),
    ProviderPlan("council", "Wendshire Inclusion Team", ProviderKind.LA_TEAM, "local_authority"),
)


@dataclass(frozen=True)
class ServicePlan:
    """One service of the demo.

    Attributes:
        volume: How many referrals it gets, relative to the others.
        small: A service with very few waiting, so that its wait is suppressed.
    """

    code: str
    name: str
    area_of_need: AreaOfNeed
    provider: str
    clusters: tuple[str, ...]
    staff: StaffRole
    volume: float
    level: Level = Level.TARGETED
    audience: Audience = Audience.PUPILS
    delivery: DeliveryMode = DeliveryMode.IN_SCHOOL
    evidence: Evidence = Evidence.PROMISING
    instrument: Instrument = Instrument.GOAL_BASED
    cadence: Cadence = Cadence.TERMLY
    small: bool = False


_CI, _CL = AreaOfNeed.COMMUNICATION_AND_INTERACTION, AreaOfNeed.COGNITION_AND_LEARNING
_SEMH, _PS = AreaOfNeed.SEMH, AreaOfNeed.PHYSICAL_AND_SENSORY
_OTHER, _ENABLING = AreaOfNeed.OTHER, AreaOfNeed.ENABLING
_SLT, _OT, _EP = (
    StaffRole.SPEECH_AND_LANGUAGE_THERAPIST,
    StaffRole.OCCUPATIONAL_THERAPIST,
    StaffRole.EDUCATIONAL_PSYCHOLOGIST,
)
_TEACHER, _MENTAL, _YOUTH = StaffRole.SPECIALIST_TEACHER, StaffRole.MENTAL_HEALTH_PRACTITIONER, StaffRole.YOUTH_WORKER
_FAMILY, _TRAINER = StaffRole.FAMILY_SUPPORT_WORKER, StaffRole.TRAINER
_ALL = CLUSTERS
_WIDE, _REMOTE, _PHONE = DeliveryMode.CLUSTER_WIDE, DeliveryMode.REMOTE, DeliveryMode.TELEPHONE
_GOOD, _EARLY, _ROBUST = Evidence.GOOD, Evidence.EMERGING, Evidence.ROBUST
_OPEN = Level.UNIVERSAL

SERVICES = (
    ServicePlan("CI-01", "Speech and language therapy package", _CI, "therapy", _ALL, _SLT, 11, evidence=_ROBUST,
                instrument=Instrument.TOMS),
    ServicePlan("CI-02", "Autism support package", _CI, "council", _ALL, _TEACHER, 8, evidence=_GOOD),
    ServicePlan("CI-03", "Early talkers group", _CI, "therapy", ("1", "2", "6"), _SLT, 4, _OPEN,
                instrument=Instrument.TOMS),
    ServicePlan("CI-04", "Autism training for staff", _CI, "learning", ("3", "4.5"), _TRAINER, 0.8, _OPEN,
                Audience.STAFF, _WIDE, small=True),
    ServicePlan("SEMH-01", "Early intervention mentoring", _SEMH, "outreach", _ALL, _YOUTH, 9, evidence=_GOOD,
                instrument=Instrument.BOXALL),
    ServicePlan("SEMH-02", "Mental health support in schools", _SEMH, "wellbeing", _ALL, _MENTAL, 9, evidence=_GOOD,
                instrument=Instrument.SDQ),
    ServicePlan("SEMH-03", "Active mornings", _SEMH, "movement", ("1", "2", "4.5", "6"), _YOUTH, 5,
                instrument=Instrument.ATTENDANCE, cadence=Cadence.QUARTERLY),
    ServicePlan("SEMH-04", "Exclusion prevention outreach", _SEMH, "outreach", ("2", "3", "4.5"), _YOUTH, 4,
                instrument=Instrument.BOXALL),
    ServicePlan("SEMH-05", "Family help line", _SEMH, "outreach", ("1", "3"), _FAMILY, 2, _OPEN, Audience.PARENTS,
                _PHONE, _EARLY),
    ServicePlan("SEMH-06", "Anxiety and attendance clinic", _SEMH, "wellbeing", ("2", "6"), _MENTAL, 4,
                delivery=_REMOTE, instrument=Instrument.SDQ),
    ServicePlan("SEMH-07", "Forest afternoons", _SEMH, "movement", ("3",), _YOUTH, 0.8, _OPEN, evidence=_EARLY,
                instrument=Instrument.BOXALL, cadence=Cadence.QUARTERLY, small=True),
    ServicePlan("CL-01", "Educational psychology casework", _CL, "council", _ALL, _EP, 6, evidence=_GOOD),
    ServicePlan("CL-02", "Literacy specialist teaching", _CL, "learning", ("1", "2", "3"), _TEACHER, 4, evidence=_GOOD,
                instrument=Instrument.PIVATS),
    ServicePlan("CL-03", "Number confidence groups", _CL, "learning", ("4.5", "6"), _TEACHER, 2,
                instrument=Instrument.PIVATS),
    ServicePlan("CL-04", "Assessment for learning training", _CL, "learning", ("2",), _TRAINER, 1.5, _OPEN,
                Audience.STAFF, _WIDE, instrument=Instrument.PIVATS, cadence=Cadence.YEARLY),
    ServicePlan("PS-01", "Occupational therapy", _PS, "therapy", _ALL, _OT, 7, evidence=_ROBUST,
                instrument=Instrument.TOMS),
    ServicePlan("PS-02", "Sensory circuits", _PS, "movement", ("1", "2", "3"), _OT, 3, _OPEN,
                cadence=Cadence.QUARTERLY),
    ServicePlan("PS-03", "Hearing and vision advice", _PS, "council", ("4.5", "6"), _TEACHER, 1, small=True),
    ServicePlan("OTHER-01", "Transition support", _OTHER, "council", _ALL, _FAMILY, 5),
    ServicePlan("OTHER-02", "SEND reviews in schools", _OTHER, "council", ("2", "4.5", "6"), _TEACHER, 1.5, _OPEN,
                Audience.SCHOOLS, cadence=Cadence.YEARLY),
    ServicePlan("OTHER-03", "Family learning evenings", _OTHER, "learning", ("1", "4.5"), _FAMILY, 1.2, _OPEN,
                Audience.PARENTS, _WIDE, _EARLY),
    ServicePlan("ENABLING-01", "Cluster data support", _ENABLING, "council", _ALL, _TRAINER, 1.5, _OPEN,
                Audience.SCHOOLS, _REMOTE, cadence=Cadence.YEARLY),
    ServicePlan("ENABLING-02", "SENCo supervision", _ENABLING, "learning", ("2", "3"), _TRAINER, 1.5, _OPEN,
                Audience.STAFF, _WIDE),
    ServicePlan("ENABLING-03", "Inclusion leadership programme", _ENABLING, "learning", ("1",), _TRAINER, 0.6, _OPEN,
                Audience.STAFF, _WIDE, small=True),
    ServicePlan("ENABLING-04", "Peer review days", _ENABLING, "council", ("6",), _TRAINER, 0.6, _OPEN,
                Audience.SCHOOLS, small=True),
)  # fmt: skip

NEEDS: dict[AreaOfNeed, tuple[tuple[NeedType, float], ...]] = {
    _CI: ((NeedType.SLCN, 62), (NeedType.ASD, 36), (NeedType.HI, 2)),
    _SEMH: ((NeedType.SEMH, 86), (NeedType.ASD, 9), (NeedType.SLCN, 5)),
    _CL: ((NeedType.SPLD, 45), (NeedType.MLD, 42), (NeedType.DS, 4), (NeedType.SLD, 7), (NeedType.PMLD, 2)),
    _PS: ((NeedType.PD, 50), (NeedType.ASD, 22), (NeedType.HI, 14), (NeedType.VI, 12), (NeedType.MSI, 2)),
    _OTHER: ((NeedType.OTH, 30), (NeedType.NSA, 25), (NeedType.SEMH, 25), (NeedType.SLCN, 20)),
    _ENABLING: ((NeedType.NSA, 60), (NeedType.OTH, 40)),
}
"""How often each need is named in referrals to the services of an area of need."""

REASONS: dict[AreaOfNeed, tuple[str, ...]] = {
    _CI: (
        "Hard to understand in class; strategies tried for two terms with little change.",
        "Follows one-step instructions only; needs advice on language in the classroom.",
        "Finds unstructured times very hard; staff ask for a joint plan.",
    ),
    _SEMH: (
        "Leaves lessons most days; a reduced timetable has been avoided so far.",
        "Worries keep attendance below what it was; family asks for help too.",
        "Two suspensions this term; at risk of a third without support.",
    ),
    _CL: (
        "Reading has not moved in two terms of small-group teaching.",
        "Working well below age in number; assessment of strengths asked for.",
        "Assess, plan, do, review twice round; a second opinion would help.",
    ),
    _PS: (
        "Tires quickly in writing; seating and equipment need advice.",
        "Overwhelmed by noise in the hall; a sensory plan is asked for.",
        "New hearing aids; staff ask for training before the term begins.",
    ),
    _OTHER: (
        "Moving to a new setting in September and very unsure of it.",
        "Plan to be reviewed with the family before the move.",
        "The school asks for a look at how its support is organised.",
    ),
    _ENABLING: (
        "The school asks for help with its own data before the cluster meeting.",
        "New in post and asks for supervision.",
        "The school would like a peer review of its provision.",
    ),
}
