namespace OrleansPd.Engines.Requests;

/// <summary>Why a walk stopped.</summary>
internal enum JsonFault : byte
{
    None,
    Truncated,
    Unexpected,
    ControlCharacter,
    Escape,
    Number,
    Literal,
    TooDeep,
}
