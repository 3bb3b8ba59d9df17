namespace OrleansPd.Core.Requests;

/// <summary>The two HTTP requests of a pair. A request to a regular worker has the decode leg alone.</summary>
public enum LegSide
{
    Prefill,
    Decode,
}
