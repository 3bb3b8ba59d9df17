namespace OrleansPd.Engines.Requests;

/// <summary>The engine route of a request body; it decides the meaning of the members.</summary>
public enum Dialect
{
    /// <summary><c>POST /generate</c>.</summary>
    Generate,

    /// <summary><c>POST /v1/chat/completions</c>.</summary>
    Chat,

    /// <summary><c>POST /v1/completions</c>.</summary>
    Completions,
}
