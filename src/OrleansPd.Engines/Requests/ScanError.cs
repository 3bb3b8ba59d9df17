namespace OrleansPd.Engines.Requests;

/// <summary>Why a body is refused, fit for a 400 answer.</summary>
/// <param name="Offset">Byte offset of the wrong token, or of the position where something is missing.</param>
/// <param name="Message">A complete English sentence for the client.</param>
/// <param name="Param">The member at fault; null when the body is not a well-formed JSON object at all.</param>
public readonly record struct ScanError(int Offset, string Message, string? Param);
