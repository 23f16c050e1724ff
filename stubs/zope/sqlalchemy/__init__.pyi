from sqlalchemy.orm import Session
from transaction import TransactionManager

def register(
    session: Session,
    initial_state: str = ...,
    transaction_manager: TransactionManager = ...,
    keep_session: bool = ...,
) -> None: ...
