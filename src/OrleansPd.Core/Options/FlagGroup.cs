namespace OrleansPd.Core.Options;

/// <summary>The groups of flags in the order of the help; the names are the headings.</summary>
public enum FlagGroup
{
    Cluster,
    Membership,
    Listening,
    Security,
    ChoosingEngines,
    Requests,
    Admission,
    HealthOfEngines,
    RoomsAndBootstrapFacade,
    Management,
    Stopping,
    Traces,
    Logs,
}
